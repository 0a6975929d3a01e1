"""All that is found about one installed plugin."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.plugins import COMMANDS, CONDITIONS, installed_plugins
from winchester_core.testing.inspection.examples import UselessExample, given_by_example
from winchester_core.testing.inspection.interface import interface_faults
from winchester_core.testing.inspection.trial import try_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.plugins import Plugin


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found: `problems`, each in words; how many rules were tried, and what was not."""

    problems: tuple[str, ...]
    rules_tried: int = 0
    left_out: str | None = None


def inspect_plugin(plugin: Plugin) -> Inspection:
    """Load a plugin and look at it; what it logs, or writes to a relative path, is lost.

    Its code is run: `handle_events` and `rollback` of a handler, `matches` of a condition,
    `trait_value` of a trait plugin; never `commit` or `deliver`, and nothing of a source.
    """
    try:
        loaded = plugin.load()
    except PluginError as error:
        return Inspection((error.reason,))
    faults = tuple(interface_faults(plugin.group, loaded))
    if faults or plugin.group == COMMANDS:
        return Inspection(faults)
    try:
        given = given_by_example(plugin.group, loaded, _names(plugin))
    except UselessExample as error:
        return Inspection((str(error),))
    refused = tuple(_refusals(plugin, loaded, given))
    if refused:
        return Inspection(refused)
    with _elsewhere(), _unheard():
        trial = try_rules(plugin.group, loaded, given)
    return Inspection(tuple(trial.faults), trial.tried, trial.left_out)


def _names(plugin: Plugin) -> set[str]:
    """All names under which the class is registered."""
    group = installed_plugins(plugin.group)
    return {name for name, each in group.items() if each.value == plugin.value}


def _refusals(plugin: Plugin, loaded: Any, given: list[Any]) -> Iterator[str]:
    what = "expression" if plugin.group == CONDITIONS else "parameters"
    for value in given:
        try:
            loaded.config_schema(value)
        except Invalid as error:
            yield f"its schema refuses the {what} of its example: {error}"
        except Exception as error:  # noqa: BLE001 - the schema is the plugin's code
            cause = f"{type(error).__name__}: {error}"
            yield f"its schema fails on the {what} of its example: {cause}"


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in a directory that is removed afterwards."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="winchester-plugin-check-") as directory:
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(here)


@contextmanager
def _unheard() -> Iterator[None]:
    """Let log records, made as ever, reach nobody."""
    root = logging.getLogger()
    listeners, root.handlers = root.handlers, [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers = listeners
