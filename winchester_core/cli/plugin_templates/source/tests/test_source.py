"""The event source `plugin_name`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import MultipleInvalid
from winchester_core.errors import SourceError
from winchester_core.testing import SourceConformance, make_event

from winchester_plugin_name.source import PluginNameSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winchester_core.model import Event


def write(directory: Path, events: Sequence[Event]) -> None:
    """Write each event as a file into the source's directory."""
    for event in events:
        path = directory / f"{event['message_id']}.json"
        path.write_text(json.dumps({**event, "timestamp": event["timestamp"].isoformat()}))


class TestRules(SourceConformance):
    """Conformance suite of event sources."""

    plugin = PluginNameSource

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def params(self) -> dict[str, str]:
        """Return the parameters as in `winchester.yaml`."""
        return {"directory": str(self.directory)}

    def feed(self, events: Sequence[Event]) -> None:
        """Put events into the source's directory."""
        write(self.directory, events)


def test_a_file_is_removed_once_it_is_acknowledged(tmp_path: Path) -> None:
    write(tmp_path, [make_event(message_id="1"), make_event(message_id="2")])
    source = PluginNameSource(str(tmp_path))
    source.open()
    first, second = source.receive(10, 0)
    source.ack([first])
    source.release([second])
    source.close()

    assert [path.name for path in tmp_path.iterdir()] == ["2.json"]


def test_a_file_that_cannot_be_read_does_not_hold_up_the_others(tmp_path: Path) -> None:
    (tmp_path / "2.json").mkdir()
    write(tmp_path, [make_event(message_id="1"), make_event(message_id="3")])
    source = PluginNameSource(str(tmp_path))
    source.open()

    assert [message.token.name for message in source.receive(10, 0)] == ["1.json", "3.json"]
    with pytest.raises(SourceError, match=r"2\.json: Is a directory"):
        source.receive(10, 0)
    source.close()


def test_incomplete_files_are_not_received(tmp_path: Path) -> None:
    (tmp_path / "1.json.part").write_text("{")
    source = PluginNameSource(str(tmp_path))
    source.open()

    assert (source.receive(10, 0), source.lag()) == ([], 0)
    source.close()


def test_a_missing_directory_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere: there is no such directory"):
        PluginNameSource(str(tmp_path / "nowhere")).open()


@pytest.mark.parametrize("params", [{}, {"directory": ""}, {"directory": "a", "direktory": "b"}])
def test_invalid_params_are_rejected(params: dict[str, Any]) -> None:
    with pytest.raises(MultipleInvalid):
        PluginNameSource.config_schema(params)
