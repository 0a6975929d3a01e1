"""The scene that tests of a worker play in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.workers import Scene, Script, ScriptedHandler

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def script() -> Iterator[Script]:
    ScriptedHandler.script = script = Script()
    yield script
    ScriptedHandler.script = Script()


@pytest.fixture
def scene() -> Scene:
    return Scene()
