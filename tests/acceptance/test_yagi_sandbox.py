"""The StackTach sandbox as its users have it: `yagi.conf` in, verdicts out, no Yagi."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from support.builders.nova.load import one_day
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.brokers import BrokerNamespace, private_broker
from winchester_core.storage.filters import EventFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.brokers import PrivateBroker


FOR_WINCHESTER = """\
[consumers]
queues = q
[consumer:q]
apps = winchester.yagi_handler.WinchesterHandler
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    with private_broker() as made:
        yield made


@pytest.fixture
def sandbox(shared_data: Path, tmp_path: Path, broker: PrivateBroker) -> Site:
    """The recorded sandbox, with our servers and clock."""
    origin = shared_data / "config" / "stacktach-sandbox"
    shutil.copytree(origin, tmp_path, dirs_exist_ok=True)
    site = Site(tmp_path)
    shutil.copy(origin / "winchester.yaml", site.config)
    conf = "".join((origin / f"yagi.conf.{part}").read_text() for part in ("common", "winchester"))
    site.write("yagi.conf", conf.replace("port = 5672", f"port = {broker.port}"))
    settings = yaml.safe_load(site.config.read_text())
    settings["database"] = {"url": site.url}
    settings["clock"] = "event"
    del settings["logging_config"]  # it knows the loggers of Yagi alone
    site.config.write_text(yaml.safe_dump(settings))
    pipelines = yaml.safe_load((origin / "winchester" / "pipelines.yaml").read_text())
    for handlers in pipelines.values():
        (notabene,) = (each for each in handlers if isinstance(each, dict))
        notabene["params"]["port"] = broker.port
    site.write("winchester/pipelines.yaml", yaml.safe_dump(pipelines))
    for name in ("triggers.yaml", "pipelines.yaml"):
        (tmp_path / name).unlink()
    site.migrate()
    return site


@pytest.mark.slow
def test_the_sandbox_produces_its_verdicts(sandbox: Site, broker: PrivateBroker) -> None:
    load, namespace = one_day(), BrokerNamespace(broker.url)
    with program_group(sandbox) as programs:
        ingester = programs.start("ingester", "winchester", "ingest", "--yagi-conf", "yagi.conf")
        wait_until(lambda: namespace.consumers("monitor.info") == 1 or not ingester.is_running)
        namespace.publish(load.notifications, "monitor", "monitor.info")
        distinct = len({each["message_id"] for each in load.notifications})
        wait_until(lambda: stored(sandbox) == distinct or not ingester.is_running)
        assert ingester.end() == 0, ingester.text()
    assert namespace.ready("monitor.info") == 0
    assert "yagi.handler.shoebox_handler.ShoeboxHandler" in ingester.text()
    run(sandbox, "winchester", "clock", "advance", "-c", sandbox.config, "4d")
    run(sandbox, "winchester-worker", "-c", sandbox.config, "--until-idle")
    assert verdicts(sandbox) == load.verdicts()
    # notabene has published each of them, to the queue that Yagi's other apps consume
    assert namespace.ready("monitor.info") == load.verdicts().total()


@pytest.mark.slow
def test_a_source_in_the_settings_gives_the_same_result(
    sandbox: Site, broker: PrivateBroker
) -> None:
    sandbox.add_settings("event_sources: {old: {source: yagi, params: {path: yagi.conf}}}\n")
    checked = sandbox.run("winchester", "check", "-c", sandbox.config)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    namespace = BrokerNamespace(broker.url)
    with program_group(sandbox) as programs:
        ingester = programs.start("ingester", "winchester", "ingest", "-c", sandbox.config)
        wait_until(lambda: namespace.consumers("monitor.info") == 1 or not ingester.is_running)
        namespace.publish([b"no json"], "", "monitor.info")
        wait_until(lambda: rejected(sandbox) == 1 or not ingester.is_running)
        assert ingester.end() == 0, ingester.text()


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        (None, 1, "yagi.conf: No such file or directory"),
        ("[consumers]\nqueues = q\n[consumer:q]\napps = other.App\n", 1, "no queue of [consumers]"),
        (FOR_WINCHESTER, 2, "no [winchester] config_file"),
    ],
)
def test_an_unusable_yagi_conf_is_reported(
    tmp_path: Path, text: str | None, status: int, message: str
) -> None:
    site = Site(tmp_path)
    if text is not None:
        site.write("yagi.conf", text)
    ended = site.run("winchester", "ingest", "--yagi-conf", "yagi.conf")
    assert (ended.returncode, message in ended.stderr) == (status, True), ended.stderr


def stored(site: Site) -> int:
    with site.store() as store:
        return store.count_events()


def rejected(site: Site) -> int:
    with site.store() as store:
        return store.count_rejected()


def verdicts(site: Site) -> Counter[str]:
    """Return the verdicts that the usage handler added."""
    found: Counter[str] = Counter()
    with site.store() as store:
        wanted = EventFilter(event_type="compute.instance.exists.*")
        for event in store.find_events(wanted, limit=10_000):
            if event.get("publisher_id") == "stv3":
                found[event.get("error_code", event["event_type"].rpartition(".")[2])] += 1
    return found


def run(site: Site, program: str, *arguments: str | Path) -> str:
    done = site.run(program, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
