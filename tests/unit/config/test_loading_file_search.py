"""Search for the files that `winchester.yaml` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from winchester_core.config import load_settings
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from conftest import ConfigDir


def test_files_are_searched_in_config_path_then_beside_the_settings(config: ConfigDir) -> None:
    config.write("first/events.yaml", "- {event_type: first, traits: {}}\n")
    config.write("second/events.yaml", "- {event_type: second, traits: {}}\n")
    config.write("events.yaml", "- {event_type: beside, traits: {}}\n")

    def found(config_path: str) -> object:
        content = f"config_path: {config_path}\ndistiller_config: events.yaml\n"
        definitions = config.settings(content).event_definitions
        assert definitions is not None
        return definitions.definitions[0]["event_type"]

    assert found("[first, second]") == "first"
    assert found("[gone, second]") == "second"
    assert found(str(config.path / "second")) == "second"
    assert found("gone") == "beside"


def test_an_absolute_path_is_used_unchanged(config: ConfigDir) -> None:
    path = config.write("elsewhere/events.yaml", "[]")

    assert config.settings(f"distiller_config: {path}").event_definitions is not None


def test_a_missing_file_reports_where_it_was_searched(config: ConfigDir) -> None:
    config.write("triggers.yaml", "")
    problems = config.problems(
        "config_path: [first, /nowhere]\ntrigger_definitions: trigers.yaml\n"
    )

    assert problems == [
        (
            f"winchester.yaml:3:22: trigger_definitions: there is no file 'trigers.yaml' in first, "
            f"/nowhere, {config.path}; did you mean 'triggers.yaml'?"
        )
    ]
    assert config.problems("trigger_definitions: /nowhere/triggers.yaml\n") == [
        "winchester.yaml:2:22: trigger_definitions: there is no file '/nowhere/triggers.yaml'"
    ]


def test_a_settings_file_in_the_working_directory_needs_no_path(
    config: ConfigDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write("events.yaml", "- 5\n")
    config.write("winchester.yaml", "database: {url: sqlite:///x}\ndistiller_config: events.yaml\n")
    monkeypatch.chdir(config.path)

    with pytest.raises(ConfigurationError) as caught:
        load_settings("winchester.yaml")

    assert caught.value.problems == (
        "events.yaml:1:3: [0]: expected a mapping of 'event_type' and 'traits', not 5",
    )


def test_logging_config_is_searched_like_other_files(config: ConfigDir) -> None:
    path = config.write("conf/logging.conf", "")

    settings = config.settings("config_path: conf\nlogging_config: logging.conf\n")

    assert settings.logging_config == Path(path)
    assert config.problems("logging_config: gone.conf\n") == [
        (
            f"winchester.yaml:2:17: logging_config: there is no file 'gone.conf' in {config.path}; "
            "config_path adds directories"
        )
    ]
