"""Consoles with and without tokens."""

from __future__ import annotations

import pytest

from support.scenes.guarded_console import TOKENS, GuardedConsole, make_console


@pytest.fixture
def console() -> GuardedConsole:
    """A console with an operator and a viewer."""
    return make_console(tokens=TOKENS)


@pytest.fixture
def local() -> GuardedConsole:
    """A console without tokens that allows actions."""
    return make_console(allow_actions=True)
