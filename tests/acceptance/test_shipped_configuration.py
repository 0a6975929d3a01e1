"""The configuration in etc/ works unchanged, and so do existing files from elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core.config import load_settings
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TRAITS_OF_THE_USAGE_HANDLER = {
    "instance_id",
    "state",
    "launched_at",
    "deleted_at",
    "instance_flavor_id",
    "tenant_id",
    "os_architecture",
    "os_version",
    "os_distro",
    "bandwidth_in",
    "bandwidth_out",
    "rax_options",
    "audit_period_beginning",
    "audit_period_ending",
}


def test_the_shipped_configuration_loads_without_a_warning(checkout: Path) -> None:
    settings = load_settings(
        checkout / "etc" / "winchester.yaml",
        environ={},
        needs={"database", "triggers", "pipelines", "distiller"},
    )

    assert settings.database_url == "sqlite:///winchester.db"
    assert settings.clock == "event"
    assert settings.warnings == ()
    (trigger,) = settings.trigger_definitions
    assert {trigger["fire_pipeline"], trigger["expire_pipeline"]} == set(settings.pipelines)
    for entries in settings.pipelines.values():
        assert [entry.plugin_name for entry in entries] == ["logger", "usage"]


def test_the_shipped_database_url_can_come_from_the_environment(checkout: Path) -> None:
    url = "postgresql+psycopg://w:secret@db/w"
    settings = load_settings(
        checkout / "etc" / "winchester.yaml", environ={"WINCHESTER_DATABASE_URL": url}
    )

    assert settings.database_url == url
    assert "secret" not in repr(settings)


def test_the_shipped_definitions_provide_the_traits_of_the_usage_handler(checkout: Path) -> None:
    definitions = yaml.safe_load((checkout / "etc" / "event_definitions.yaml").read_text())
    exists = next(each for each in definitions if each["event_type"] == "compute.instance.exists")

    assert set(exists["traits"]) >= TRAITS_OF_THE_USAGE_HANDLER


@pytest.fixture
def sandbox(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of the sandbox's files, without notabene in the pipelines."""
    source = shared_data / "config" / "stacktach-sandbox"
    for path in source.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(source)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    pipelines = yaml.safe_load((tmp_path / "winchester" / "pipelines.yaml").read_text())
    kept = {
        name: [entry for entry in entries if isinstance(entry, str)]
        for name, entries in pipelines.items()
    }
    (tmp_path / "winchester" / "pipelines.yaml").write_text(yaml.safe_dump(kept))
    return tmp_path


def test_the_sandbox_loads_with_database_path_and_clock_set(sandbox: Path) -> None:
    path = sandbox / "winchester.yaml"
    text = re.sub(r"url: .*", "url: sqlite:///sandbox.db", path.read_text())
    text = re.sub(r"config_path: .*", f"config_path: {sandbox / 'winchester'}", text)
    path.write_text(f"{text}\nclock: event\n")

    settings = load_settings(
        path,
        needs={"database", "triggers", "pipelines", "distiller"},
    )

    assert settings.clock == "event"
    assert settings.purge_completed_streams is False
    assert [entry.plugin_name for entry in settings.pipelines["test_fire_pipeline"]] == [
        "logger",
        "usage",
    ]
    assert settings.trigger_definitions[0]["expiration"] == "$last + 2d"
    for line in ("42:13: pipeline_handlers.logger", "44:15: pipeline_handlers.notabene"):
        assert any(warning.startswith(f"{path}:{line}: ") for warning in settings.warnings)


def test_the_sandbox_can_ingest_without_its_handlers_installed(shared_data: Path) -> None:
    path = shared_data / "config" / "stacktach-sandbox" / "winchester.yaml"

    settings = load_settings(path, needs={"database", "triggers"}, ignores={"pipelines"})

    assert [trigger["name"] for trigger in settings.trigger_definitions] == ["test_trigger"]


def test_a_misspelt_key_in_existing_files_is_reported_with_its_position(shared_data: Path) -> None:
    directory = shared_data / "config" / "winchester-etc"

    with pytest.raises(ConfigurationError) as caught:
        load_settings(directory / "winchester.yaml")

    assert caught.value.problems == (
        (
            f"{directory}/triggers.yaml:20:5: [0].match_criteria[1].map_distingushed_by: unknown "
            f"key 'map_distingushed_by': did you mean 'map_distinguished_by'? allowed: event_type, "
            "map_distinguished_by, opens, timestamp, traits"
        ),
    )


def test_every_ceilometer_definition_file_loads_unchanged(shared_data: Path) -> None:
    files = sorted((shared_data / "config" / "ceilometer_event_definitions").glob("*.yaml"))
    assert files

    for path in files:
        settings = load_settings(
            {"database": {"url": "sqlite://"}, "distiller_config": str(path)},
        )
        definitions = settings.event_definitions
        assert definitions is not None
        assert list(definitions.definitions) == _as_pyyaml_reads(path)


def _as_pyyaml_reads(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
