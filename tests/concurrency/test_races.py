"""Many processes on one database: every event once, each in its streams, each stream once.

Four ingesters, real programs, ingest the same 5,000 notifications of one day of 170 instances, each
in a different order; all of it within one hour of stream time, so that no stream expires meanwhile.
A watcher looks for groups with two open streams all the time.

Workers started afterwards: the result equals that of one ingester and one worker on SQLite, in all
events with all traits, verdicts included, and for every stream in trigger, distinguishing values,
state, times of first and last event and of expiry, whether it fired, progress, and members in
order. Only the fire time and surrogate keys are not compared, as they depend on the order.

Workers running meanwhile: a stream fires as soon as its record arrives, and later events open
another one, so that streams differ from those of a single process. Checked instead: every event is
in exactly one stream of its group, each stream row agrees with its members, each stream was run,
committed and completed once, and the verdicts are those for its members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.probes.open_stream_watcher import Watcher, check_open_key_is_unique
from support.scenes.lifecycle_site import (
    LONG_AFTER,
    LifecycleOutcome,
    configure,
    make_load,
    orders,
    write_messages,
)
from support.scenes.program_groups import ProgramGroup, program_group
from support.scenes.sites import Site, wait_until
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from support.builders.nova.load import Load
    from support.scenes.worker_settings import WorkerSettings


BATCH_SIZES = (100, 70, 40, 150)


@pytest.fixture(scope="module")
def load() -> Load:
    return make_load()


@pytest.fixture(scope="module")
def alone(load: Load, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a single process on the load."""
    site = Site(tmp_path_factory.mktemp("alone"))
    site.migrate()
    configure(site)
    options = write_messages(site.path / "load.jsonl", load.notifications)
    assert site.run("winchester", "ingest", "-c", site.config, *options).returncode == 0
    let_streams_expire(site)
    assert site.run("winchester-worker", "-c", site.config, "--until-idle").returncode == 0
    outcome = LifecycleOutcome(site)
    outcome.check_verdicts()
    outcome.check_completed_once()
    return outcome.comparable()


def start_ingesters(programs: ProgramGroup, site: Site, load: Load) -> None:
    for number, notifications in enumerate(orders(load)):
        options = write_messages(site.path / f"load{number}.jsonl", notifications)
        size = str(BATCH_SIZES[number])
        command = ["winchester", "ingest", "-c", site.config, *options, "--batch-size", size]
        programs.start(f"ingest{number}", *command)


def let_streams_expire(site: Site) -> None:
    with site.store() as store:
        store.advance_event_clock(LONG_AFTER)


def wait_until_all_is_completed(site: Site) -> None:
    with site.store() as store:
        wait_until(lambda: set(store.count_states()) == {StreamState.COMPLETED}, 300)


def end(programs: ProgramGroup) -> None:
    """End the workers and assert that none logged a problem."""
    workers = [member for member in programs.members if member.name.startswith("worker")]
    assert [worker.end() for worker in workers] == [0] * len(workers)
    for member in programs.members:
        text = member.text()
        assert not any(word in text for word in ("WARNING", "ERROR", "Traceback")), text


def test_four_ingesters_then_four_workers_give_the_result_of_one(
    site: Site, load: Load, alone: dict[str, Any], worker_settings: WorkerSettings
) -> None:
    configure(site, worker_settings)
    watcher = Watcher(site)
    with program_group(site) as programs:
        with watcher.watching():
            start_ingesters(programs, site, load)
            assert [member.wait() for member in programs.members] == [0] * 4
        watcher.check()
        check_open_key_is_unique(site)
        with site.store() as store:
            assert store.count_streams(StreamFilter()) == len(alone["streams"])
        let_streams_expire(site)
        for number in range(4):
            programs.worker(f"worker{number}")
        wait_until_all_is_completed(site)
        end(programs)
    outcome = LifecycleOutcome(site)
    outcome.check_events(load)
    outcome.check_completed_once()
    outcome.check_verdicts()
    assert outcome.comparable() == alone


def test_four_ingesters_beside_four_workers_complete_each_stream_once(
    site: Site, load: Load, worker_settings: WorkerSettings
) -> None:
    configure(site, worker_settings)
    watcher = Watcher(site)
    with program_group(site) as programs:
        with watcher.watching():
            for number in range(4):
                programs.worker(f"worker{number}")
            start_ingesters(programs, site, load)
            ingesters = [each for each in programs.members if each.name.startswith("ingest")]
            assert [member.wait() for member in ingesters] == [0] * 4
            let_streams_expire(site)
            wait_until_all_is_completed(site)
        watcher.check()
        end(programs)
    outcome = LifecycleOutcome(site)
    outcome.check_events(load)
    outcome.check_members()
    outcome.check_progress()
    outcome.check_completed_once()
    outcome.check_verdicts()
