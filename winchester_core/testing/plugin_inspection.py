"""All that is found about one installed plugin."""

from __future__ import annotations

import inspect
import logging
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from voluptuous import Invalid, Schema

from winchester_core.errors import PluginError
from winchester_core.interfaces import Condition, EventSource, PipelineHandler, TraitPlugin
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
    installed_plugins,
)
from winchester_core.testing.suite_runner import run_suites

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.plugins import Plugin


@dataclass(frozen=True, slots=True)
class PluginInspection:
    """What was found: `problems`, each in words; how many rules were tried, and what was not."""

    problems: tuple[str, ...]
    rules_checked: int = 0
    not_checked: str | None = None


def inspect_plugin(plugin: Plugin) -> PluginInspection:
    """Load a plugin and look at it; what it logs, or writes to a relative path, is lost.

    Its code is run: `handle_events` and `rollback` of a handler, `matches` of a condition,
    `trait_value` of a trait plugin; never `commit` or `deliver`, and nothing of a source.
    """
    try:
        loaded = plugin.load()
    except PluginError as error:
        return PluginInspection((error.reason,))
    faults = tuple(interface_violations(plugin.group, loaded))
    if faults or plugin.group == COMMANDS:
        return PluginInspection(faults)
    try:
        given = values_in_example(plugin.group, loaded, _registered_names(plugin))
    except InvalidExample as error:
        return PluginInspection((str(error),))
    refused = tuple(_refusals(plugin, loaded, given))
    if refused:
        return PluginInspection(refused)
    with _temporary_directory(), _logging_discarded():
        trial = run_suites(plugin.group, loaded, given)
    return PluginInspection(tuple(trial.faults), trial.tried, trial.not_checked)


def _registered_names(plugin: Plugin) -> set[str]:
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
def _temporary_directory() -> Iterator[None]:
    """Work in a directory that is removed afterwards."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="winchester-plugin-check-") as directory:
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(here)


@contextmanager
def _logging_discarded() -> Iterator[None]:
    """Let log records, made as ever, reach nobody."""
    root = logging.getLogger()
    listeners, root.handlers = root.handlers, [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers = listeners


# What the example of a plugin gives it: the parameters, or the expression.


class InvalidExample(ValueError):  # noqa: N818 - what it is
    """An example from which nothing can be learnt; the message says why."""


def values_in_example(group: str, plugin: Any, names: Collection[str]) -> list[Any]:
    """What stands in the example for the plugin, which is registered under `names`.

    Of a condition the expressions, of any other plugin the parameters. Raises `InvalidExample`.
    """
    text = describe_plugin(plugin).example
    if not text:
        raise InvalidExample("has no example, which shows how it is named and what it takes")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidExample(f"its example is no YAML: {' '.join(str(error).split())}") from None
    given = list(_READERS[group](content, names))
    if not given:
        named = " or ".join(sorted(names))
        raise InvalidExample(f"its example does not use it: nothing there is named {named}")
    return given


def _of_handler(content: Any, names: Collection[str]) -> Iterator[Any]:
    for entry in content if isinstance(content, list) else [content]:
        match entry:
            case str() if entry in names:
                yield {}
            case {"name": name, **rest} if name in names:
                yield rest.get("params") or {}


def _of_condition(content: Any, names: Collection[str]) -> Iterator[Any]:
    """Anywhere below the traits: it may stand within `not`, `any` or `all`."""
    match content:
        case dict():
            for key, value in content.items():
                if key in names:
                    yield value
                else:
                    yield from _of_condition(value, names)
        case list():
            for item in content:
                yield from _of_condition(item, names)


def _of_source(content: Any, names: Collection[str]) -> Iterator[Any]:
    for entry in content.values() if isinstance(content, dict) else []:
        match entry:
            case {"source": name, **rest} if name in names:
                yield rest.get("params") or {}


def _of_trait_plugin(content: Any, names: Collection[str]) -> Iterator[Any]:
    for trait in content.values() if isinstance(content, dict) else []:
        named = trait.get("plugin") if isinstance(trait, dict) else None
        for entry in named if isinstance(named, list) else [named]:
            match entry:
                case str() if entry in names:
                    yield {}
                case {"name": name, **rest} if name in names:
                    yield rest.get("parameters") or {}


_READERS: Mapping[str, Callable[[Any, Collection[str]], Iterator[Any]]] = {
    HANDLERS: _of_handler,
    CONDITIONS: _of_condition,
    EVENT_SOURCES: _of_source,
    TRAIT_PLUGINS: _of_trait_plugin,
}


# Whether a plugin has what its interface demands: methods, signatures, schema, words.


INTERFACES: Mapping[str, type] = {
    HANDLERS: PipelineHandler,
    CONDITIONS: Condition,
    EVENT_SOURCES: EventSource,
    TRAIT_PLUGINS: TraitPlugin,
}
REQUIRED_METHODS: Mapping[str, str] = {
    HANDLERS: "handle_events",
    CONDITIONS: "matches",
    EVENT_SOURCES: "receive",
    TRAIT_PLUGINS: "trait_value",
}
"""The method that the interface leaves to the plugin."""


class DeliveringHandler:
    """What a handler with effects has besides."""

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """As `PipelineHandler` describes it."""
        raise NotImplementedError


def interface_violations(group: str, plugin: Any) -> Iterator[str]:
    """Say what a loaded plugin lacks, or has otherwise than its interface."""
    if not isinstance(plugin, type):
        yield "is no class, so that nothing can be said of what it makes"
    elif group == COMMANDS:
        yield from _command_violations(plugin)
    else:
        yield from _method_violations(group, plugin)
        yield from _description_violations(plugin)


def _command_violations(plugin: type) -> Iterator[str]:
    for method in ("get_parser", "take_action"):
        if not callable(getattr(plugin, method, None)):
            yield f"has no method {method}: a command is a subclass of cliff's Command"
    if not describe_plugin(plugin).summary:
        yield "has no docstring, which is its help"


def _method_violations(group: str, plugin: type) -> Iterator[str]:
    interface = INTERFACES[group]
    for name, wanted in vars(interface).items():
        if not name.startswith("_") and inspect.isfunction(wanted):
            yield from _signature_violations(plugin, name, wanted)
    if group == HANDLERS and getattr(plugin, "deliver", None) is not None:
        yield from _signature_violations(plugin, "deliver", DeliveringHandler.deliver)
    own = REQUIRED_METHODS[group]
    if getattr(plugin, own, None) is getattr(interface, own):
        yield f"has no method {own} of its own"


def _signature_violations(plugin: type, name: str, wanted: Callable[..., Any]) -> Iterator[str]:
    found = getattr(plugin, name, None)
    if not callable(found):
        yield f"has no method {name}"
    elif not _accepts(found, inspect.signature(wanted)):
        yield (
            f"{name} must be callable as {name}{_signature_text(inspect.signature(wanted))}, "
            f"and takes {inspect.signature(found)}"
        )


def _accepts(found: Callable[..., Any], wanted: inspect.Signature) -> bool:
    try:
        inspect.signature(found).bind(*wanted.parameters)
    except TypeError:
        return False
    return True


def _signature_text(wanted: inspect.Signature) -> str:
    return f"({', '.join(name for name in wanted.parameters if name != 'self')})"


def _description_violations(plugin: type) -> Iterator[str]:
    schema = getattr(plugin, "config_schema", None)
    if not isinstance(schema, Schema):
        found = "there is none" if schema is None else f"it is {type(schema).__name__}"
        yield f"config_schema must be a voluptuous Schema; {found}"
    if not describe_plugin(plugin).summary:
        yield "has no docstring, which says what it does and what it takes"
