"""docs/reference/commands.md documents exactly the existing commands and options."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import pytest

from winchester_core.cli.app import WinchesterApp
from winchester_core.cli.commands import database, worker
from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.fixture(scope="module")
def reference(checkout: Path) -> str:
    return (checkout / "docs" / "reference" / "commands.md").read_text()


def _parsers() -> dict[str, argparse.ArgumentParser]:
    app = WinchesterApp()
    parsers = {"winchester": app.parser}
    for name in installed_plugins(COMMANDS):
        factory, _name, _rest = app.command_manager.find_command(name.split())
        parsers[f"winchester {name}"] = factory(app, app.options, cmd_name=name).get_parser(name)
    parsers["winchester-worker"] = worker.build_parser()
    parsers["winchester_db"] = database.build_parser()
    return parsers


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _options(each)
        if action.help != argparse.SUPPRESS:
            yield from action.option_strings


def test_every_command_has_a_section(reference: str) -> None:
    headings = set(re.findall(r"^#+ (.+)$", reference, re.MULTILINE))
    assert set(_parsers()) <= headings


def test_every_option_is_documented(reference: str) -> None:
    documented = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", reference))
    for command, parser in _parsers().items():
        assert set(_options(parser)) - documented == set(), command


def test_every_documented_option_exists(reference: str) -> None:
    known = {option for parser in _parsers().values() for option in _options(parser)}
    assert set(OPTION.findall(reference)) - known == set()


def test_every_action_of_winchester_db_is_documented(reference: str) -> None:
    section = reference.partition("\n## winchester_db")[2]
    for action in database.build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert all(re.search(rf"^`{name}\b", section, re.MULTILINE) for name in action.choices)
