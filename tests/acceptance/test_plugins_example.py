"""The package in plugins-example/, once installed, does what its README says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from support.probes.editor_schemas import Editor
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.package_installation import environment, install
from winchester_core import bootstrap, plugins
from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.ingest.pump import SourcePump
from winchester_core.schemas import list_parameters, plugin_schema
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.config import Settings

pytestmark = pytest.mark.packaging

PACKAGE = "winchester_example"
NAMES = {
    plugins.HANDLERS: "csv_report",
    plugins.CONDITIONS: "weekday",
    plugins.EVENT_SOURCES: "csv_file",
    plugins.TRAIT_PLUGINS: "lowercase",
    plugins.COMMANDS: "report streams",
}


# --- installing ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of plugins-example/ to build in."""
    copy = tmp_path_factory.mktemp("sources") / "plugins-example"
    left_out = shutil.ignore_patterns(".*_cache", "__pycache__", "*.egg-info", "build", "*.db*")
    shutil.copytree(checkout / "plugins-example", copy, ignore=left_out)
    return copy


@pytest.fixture(scope="module")
def site(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, sources)
    return folder


@pytest.fixture
def _installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the package importable in this process."""
    monkeypatch.syspath_prepend(site)
    yield
    for module in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[module]


def test_plugin_list_shows_each_with_distribution_and_version(site: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("winchester")
    finished = subprocess.run(
        [program, "plugin", "list", "-f", "json"],
        cwd=tmp_path,
        env=environment(site),
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {(each["group"], each["name"]): each for each in json.loads(finished.stdout)}
    for group, name in NAMES.items():
        plugin = listed[group, name]
        assert (plugin["distribution"], plugin["version"]) == (
            "winchester-example-plugins",
            "1.0.0",
        )
        assert plugin["problem"] is None


def test_plugin_check_finds_nothing(site: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("winchester")
    finished = subprocess.run(
        [program, "plugin", "check", "winchester-example-plugins"],
        cwd=tmp_path,
        env=environment(site),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, ""), finished.stdout
    assert len(finished.stdout.splitlines()) == len(NAMES)
    assert list(tmp_path.iterdir()) == []


# --- in this process ----------------------------------------------------------------------------


@pytest.fixture
def example(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example's configuration, in the working directory."""
    copy = tmp_path / "example"
    shutil.copytree(sources / "example", copy)
    monkeypatch.chdir(copy)
    return copy


def settings_of(example: Path) -> Settings:
    """Load all parts of the example's settings."""
    return bootstrap.load_settings(
        example / "winchester.yaml",
        needs={"database", "triggers", "pipelines", "distiller", "sources"},
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("group", NAMES)
def test_each_name_is_listed_with_its_distribution_and_loads(group: str) -> None:
    plugin = plugins.installed_plugins(group)[NAMES[group]]

    assert (plugin.distribution, plugin.version) == ("winchester-example-plugins", "1.0.0")
    assert plugins.import_plugin(group, NAMES[group]).__module__.startswith(f"{PACKAGE}.")


def test_the_example_covers_every_group_of_plugins() -> None:
    assert set(NAMES) == set(plugins.GROUP_NOUNS)


@pytest.mark.usefixtures("_installed")
def test_a_configuration_using_them_is_valid(example: Path) -> None:
    settings = settings_of(example)

    ((trigger,), (handler,)) = settings.trigger_definitions, *settings.pipelines.values()
    assert settings.warnings == ()
    assert settings.event_sources["doors"].plugin_name == "csv_file"
    assert settings.event_sources["doors"].params["delimiter"] == ","
    assert (handler.plugin_name, handler.params["event_type"]) == ("csv_report", "report.written")
    assert "weekday" in trigger["match_criteria"][0]["traits"]["timestamp"]


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("group", [group for group in NAMES if group != plugins.COMMANDS])
def test_each_has_a_description_an_example_and_described_parameters(group: str) -> None:
    plugin = plugins.installed_plugins(group)[NAMES[group]]
    description = plugins.describe_plugin(plugin.load())
    schema = plugin_schema(plugin, plugin.load())

    assert description.text
    assert NAMES[group] in description.example
    assert all(each.description for each in list_parameters(schema))


@pytest.mark.usefixtures("_installed")
def test_each_example_is_valid() -> None:
    examples = {
        group: yaml.safe_load(plugins.describe_plugin(plugins.import_plugin(group, name)).example)
        for group, name in NAMES.items()
        if group != plugins.COMMANDS
    }
    definition = {"event_type": "*", "traits": examples[plugins.TRAIT_PLUGINS]}

    settings = bootstrap.load_settings(
        {
            "database": {"url": "sqlite://"},
            "pipeline_config": {"example": examples[plugins.HANDLERS]},
            "event_sources": examples[plugins.EVENT_SOURCES],
            "distiller_config": [definition],
        }
    )

    compile_criterion(
        {"traits": examples[plugins.CONDITIONS]},
        plugins.PluginRegistry(plugins.CONDITIONS),
        CriteriaList.FIRE,
    )
    assert [each.plugin_name for each in settings.pipelines["example"]] == ["csv_report"]


@pytest.mark.usefixtures("_installed")
def test_its_files_pass_the_json_schemas_and_mistakes_do_not(example: Path) -> None:
    editor = Editor()
    for document in ("winchester", "triggers", "pipelines", "event_definitions"):
        text = (example / f"{document}.yaml").read_text()
        assert editor.text_errors(document, text) == []
    for document, right, wrong in (
        ("winchester", "types: {floor: int}", "types: {floor: integer}"),
        ("triggers", "days: [sat, sun]", "days: 7"),
        ("triggers", "weekday:", "weakday:"),
        ("pipelines", "directory: reports", "folder: reports"),
        ("event_definitions", "plugin: lowercase", "plugin: lower"),
    ):
        text = (example / f"{document}.yaml").read_text()
        assert text.count(right) == 1
        assert editor.text_errors(document, text.replace(right, wrong)), wrong


@pytest.mark.usefixtures("_installed")
def test_rows_become_events_then_weekend_streams_then_reports(example: Path) -> None:
    with (example / "doors.csv").open("a") as file:
        file.write("2024-03-04T18:00:00+01:00,door.in,gh-78,first\n")
    settings = settings_of(example)
    with closing(bootstrap.open_database(settings)) as database:
        DatabaseSchema(database).upgrade()

    with bootstrap.TriggerManager(settings) as manager:
        entry = settings.event_sources["doors"]
        source = entry.source_class(**entry.params)
        pump = SourcePump(
            entry.name, source, manager, batch_size=entry.batch_size, stop=threading.Event()
        )
        totals = pump.run()
    with closing(bootstrap.PipelineManager(settings)) as worker:
        worker.run_until_idle()

    assert (totals.stored, totals.rejected) == (5, 1)
    with closing(bootstrap.open_store(settings)) as store:
        streams = store.find_streams(StreamFilter())
        reports = store.find_events(EventFilter(event_type="report.written"))
        (rejected,) = store.find_rejected()
    assert [(s.distinguished_by["badge"], s.state.value, s.event_count) for s in streams] == [
        ("ab-12", "completed", 1),
        ("cd-34", "completed", 1),
    ]
    assert {each["reason"] for each in reports} == {"fire", "expire"}
    assert {Path(each["path"]) for each in reports} == set(Path("reports").iterdir())
    assert rejected.reason == "doors.csv:7: column 'floor' is not of type int"
    assert b'"badge":"gh-78"' in rejected.body


@pytest.mark.usefixtures("_installed")
def test_a_notification_is_distilled_with_the_trait_plugin(example: Path) -> None:
    pytest.importorskip("stackdistiller")
    settings = settings_of(example)
    notification = {
        "message_id": "1",
        "event_type": "door.in",
        "timestamp": "2024-03-02T08:00:00",
        "payload": {"badge": " AB-12"},
    }

    distiller = bootstrap.distiller(settings)

    assert distiller is not None
    distilled = distiller.distill(notification)
    assert distilled.event is not None
    assert distilled.event["badge"] == "ab-12"


# --- the commands of the README ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the README with the output shown; "" for none."""

    command: str
    shown: str


def steps(readme: str) -> list[Step]:
    """Return the commands of all console blocks in order."""
    found = []
    for block in re.findall(r"^( *)```console\n(.*?)^ *```$", readme, re.DOTALL | re.MULTILINE):
        indent, text = block
        lines = "\n".join(line.removeprefix(indent) for line in text.splitlines())
        for part in re.split(r"^\$ ", lines, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Step(command, shown.rstrip()))
    return found


def test_every_readme_command_prints_what_it_shows(
    sources: Path, tmp_path: Path, checkout: Path
) -> None:
    pytest.importorskip("stackdistiller")
    shutil.copytree(sources, tmp_path / "plugins-example")
    installed: list[str] = []
    folder = tmp_path
    for step in steps((checkout / "plugins-example" / "README.md").read_text()):
        program, *arguments = step.command.split()
        if program == "cd":
            folder = (folder / arguments[0]).resolve()
        elif program == "pip":
            package = {"-e": folder, "'.[openstack]'": folder / "plugins-example"}[arguments[1]]
            installed.append(str(tmp_path / f"site{len(installed)}"))
            install(Path(installed[-1]), package)
        else:
            _take(step, folder, installed)
    assert len(installed) == 2


def _take(step: Step, folder: Path, installed: list[str]) -> None:
    finished = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env=environment(*map(Path, installed)),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    refused = re.match(r"\S+\.yaml:\d+:\d+: ", step.shown) is not None
    transcript = f"{step.command}\n{finished.stdout}{finished.stderr}"
    assert finished.returncode == (2 if refused else 0), transcript
    if step.shown:
        assert (finished.stderr if refused else finished.stdout).rstrip() == step.shown, transcript
