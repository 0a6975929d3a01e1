"""Inspection of an installed plugin: interface, schema, example, conformance rules."""

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
    """The problems, the number of checked rules, and the rules that were not checked and why."""

    problems: tuple[str, ...]
    rules_checked: int = 0
    not_checked: str | None = None


def inspect_plugin(plugin: Plugin) -> PluginInspection:
    """Load and check a plugin. Its log records and its files at relative paths are discarded.

    Calls `handle_events` and `rollback` of a handler, `matches` of a condition, and `trait_value`
    of a trait plugin. Never calls `commit` or `deliver`, or methods of a source.
    """
    try:
        loaded = plugin.load()
    except PluginError as error:
        return PluginInspection((error.reason,))
    problems = tuple(interface_violations(plugin.group, loaded))
    if problems or plugin.group == COMMANDS:
        return PluginInspection(problems)
    try:
        values = values_in_example(plugin.group, loaded, _registered_names(plugin))
    except InvalidExample as error:
        return PluginInspection((str(error),))
    schema_problems = tuple(_schema_problems(plugin, loaded, values))
    if schema_problems:
        return PluginInspection(schema_problems)
    with _temporary_directory(), _logging_discarded():
        result = run_suites(plugin.group, loaded, values)
    return PluginInspection(tuple(result.problems), result.rules_checked, result.not_checked)


def _registered_names(plugin: Plugin) -> set[str]:
    group = installed_plugins(plugin.group)
    return {name for name, each in group.items() if each.value == plugin.value}


def _schema_problems(plugin: Plugin, loaded: Any, values: list[Any]) -> Iterator[str]:
    noun = "expression" if plugin.group == CONDITIONS else "parameters"
    for value in values:
        try:
            loaded.config_schema(value)
        except Invalid as error:
            yield f"its schema rejects the {noun} of its example: {error}"
        except Exception as error:  # noqa: BLE001 - the schema is the plugin's code
            cause = f"{type(error).__name__}: {error}"
            yield f"its schema fails on the {noun} of its example: {cause}"


@contextmanager
def _temporary_directory() -> Iterator[None]:
    previous = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="winchester-plugin-check-") as directory:
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(previous)


@contextmanager
def _logging_discarded() -> Iterator[None]:
    """Discard log records within the context. The plugin's logging calls still run."""
    root = logging.getLogger()
    previous, root.handlers = root.handlers, [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers = previous


# The values of the plugin in its example: parameters, or expressions of a condition.


class InvalidExample(ValueError):  # noqa: N818 - a state, not a defect
    """The example has no usable values. The message is the reason."""


def values_in_example(group: str, plugin: Any, names: Collection[str]) -> list[Any]:
    """Return the values for the plugin in its example. The plugin is registered under `names`.

    For a condition they are expressions; for other plugins they are parameters. Raises
    `InvalidExample`.
    """
    text = describe_plugin(plugin).example
    if not text:
        raise InvalidExample("has no example; add one that shows its name and parameters in use")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidExample(f"its example is not YAML: {' '.join(str(error).split())}") from None
    values = list(_READERS[group](content, names))
    if not values:
        known_names = " or ".join(sorted(names))
        raise InvalidExample(f"its example does not use it: nothing there is named {known_names}")
    return values


def _plugin_params(entries: Any, names: Collection[str], key: str = "params") -> Iterator[Any]:
    for entry in entries if isinstance(entries, list) else [entries]:
        match entry:
            case str() if entry in names:
                yield {}
            case {"name": name, **rest} if name in names:
                yield rest.get(key) or {}


def _condition_expressions(content: Any, names: Collection[str]) -> Iterator[Any]:
    """Yield the condition's expressions at any depth, also within `not`, `any` and `all`."""
    match content:
        case dict():
            for key, value in content.items():
                if key in names:
                    yield value
                else:
                    yield from _condition_expressions(value, names)
        case list():
            for item in content:
                yield from _condition_expressions(item, names)


def _source_params(content: Any, names: Collection[str]) -> Iterator[Any]:
    for entry in content.values() if isinstance(content, dict) else []:
        match entry:
            case {"source": name, **rest} if name in names:
                yield rest.get("params") or {}


def _trait_plugin_parameters(content: Any, names: Collection[str]) -> Iterator[Any]:
    for trait in content.values() if isinstance(content, dict) else []:
        if isinstance(trait, dict):
            yield from _plugin_params(trait.get("plugin"), names, "parameters")


_READERS: Mapping[str, Callable[[Any, Collection[str]], Iterator[Any]]] = {
    HANDLERS: _plugin_params,
    CONDITIONS: _condition_expressions,
    EVENT_SOURCES: _source_params,
    TRAIT_PLUGINS: _trait_plugin_parameters,
}


# Conformance of a plugin's class to its interface: methods, signatures, schema, docstring.


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
"""The method that the plugin must override."""


class DeliveringHandler:
    """Signature of `deliver`, which only handlers with effects define."""

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Deliver effects, as described in `PipelineHandler`."""
        raise NotImplementedError


def interface_violations(group: str, plugin: Any) -> Iterator[str]:
    """Yield each difference of a loaded plugin from its interface."""
    if not isinstance(plugin, type):
        yield "is not a class, so it cannot be checked"
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
    for name, expected in vars(interface).items():
        if not name.startswith("_") and inspect.isfunction(expected):
            yield from _signature_violations(plugin, name, expected)
    if group == HANDLERS and getattr(plugin, "deliver", None) is not None:
        yield from _signature_violations(plugin, "deliver", DeliveringHandler.deliver)
    required = REQUIRED_METHODS[group]
    if getattr(plugin, required, None) is getattr(interface, required):
        yield f"does not override the method {required}"


def _signature_violations(plugin: type, name: str, expected: Callable[..., Any]) -> Iterator[str]:
    method = getattr(plugin, name, None)
    if not callable(method):
        yield f"has no method {name}"
    elif not _accepts(method, inspect.signature(expected)):
        yield (
            f"{name} must be callable as {name}{_signature_text(inspect.signature(expected))}, "
            f"and takes {inspect.signature(method)}"
        )


def _accepts(method: Callable[..., Any], expected: inspect.Signature) -> bool:
    try:
        inspect.signature(method).bind(*expected.parameters)
    except TypeError:
        return False
    return True


def _signature_text(signature: inspect.Signature) -> str:
    return f"({', '.join(name for name in signature.parameters if name != 'self')})"


def _description_violations(plugin: type) -> Iterator[str]:
    schema = getattr(plugin, "config_schema", None)
    if not isinstance(schema, Schema):
        actual = "there is none" if schema is None else f"it is {type(schema).__name__}"
        yield f"config_schema must be a voluptuous Schema; {actual}"
    if not describe_plugin(plugin).summary:
        yield "has no docstring, which describes it and its parameters"
