"""The largest number of parameters works on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winchester_core.console.parameters import MAX_PARAMETERS

if TYPE_CHECKING:
    from support.scenes.api_console import ApiConsole


@pytest.mark.parametrize("resource", ["streams", "events"])
def test_a_list_has_as_many_filters_as_are_allowed(console: ApiConsole, resource: str) -> None:
    traits = [f"t{number}=1" for number in range(MAX_PARAMETERS - 1)]
    assert console.get(resource, trait=traits, event_type="a*")["items"] == []
