"""The source `jsonl` passes the conformance suite for sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from winchester_core.sources.jsonl import JsonlSource
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winchester_core.model.event import Event


class TestJsonl(SourceConformance):
    plugin = JsonlSource
    finite = True
    remembers_acknowledged = False

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events.jsonl"

    def params(self) -> dict[str, Any]:
        return {"path": str(self.path), "format": "event"}

    def feed(self, events: Sequence[Event]) -> None:
        with self.path.open("ab") as file:
            file.writelines(orjson.dumps(event) + b"\n" for event in events)


class TestFollowedJsonl(TestJsonl):
    finite = False

    def params(self) -> dict[str, Any]:
        return {**super().params(), "follow": True}
