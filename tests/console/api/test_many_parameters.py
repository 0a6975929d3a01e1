"""The largest number of parameters works on every database; responses are bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.operations import make_report
from winchester_core.console import lists
from winchester_core.console.parameters import MAX_PARAMETERS

if TYPE_CHECKING:
    from support.scenes.api_console import ApiConsole


@pytest.mark.parametrize("resource", ["streams", "events"])
def test_a_list_has_as_many_filters_as_are_allowed(console: ApiConsole, resource: str) -> None:
    traits = [f"t{number}=1" for number in range(MAX_PARAMETERS - 1)]
    assert console.get(resource, trait=traits, event_type="a*")["items"] == []


def test_processes_are_bounded(sqlite_console: ApiConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        sqlite_console.store.report_process(make_report(f"p{number}", host="h" * 200), {})
    assert sqlite_console.get("processes")["omitted"] == 0
    monkeypatch.setattr(lists, "MAX_LIST_BYTES", 3_000)
    found = sqlite_console.get("processes")
    assert 0 < len(found["items"]) < 10
    assert len(found["items"]) + found["omitted"] == 20
