"""Whether a plugin has what its interface demands: methods, signatures, schema, words."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from voluptuous import Schema

from winchester_core.interfaces import Condition, EventSource, PipelineHandler, TraitPlugin
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from winchester_core.interfaces import DeliveryOutcome, Effect

INTERFACES: Mapping[str, type] = {
    HANDLERS: PipelineHandler,
    CONDITIONS: Condition,
    EVENT_SOURCES: EventSource,
    TRAIT_PLUGINS: TraitPlugin,
}
OWN: Mapping[str, str] = {
    HANDLERS: "handle_events",
    CONDITIONS: "matches",
    EVENT_SOURCES: "receive",
    TRAIT_PLUGINS: "trait_value",
}
"""The method that the interface leaves to the plugin."""


class Delivering:
    """What a handler with effects has besides."""

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """As `PipelineHandler` describes it."""
        raise NotImplementedError


def interface_faults(group: str, plugin: Any) -> Iterator[str]:
    """Say what a loaded plugin lacks, or has otherwise than its interface."""
    if not isinstance(plugin, type):
        yield "is no class, so that nothing can be said of what it makes"
    elif group == COMMANDS:
        yield from _command_faults(plugin)
    else:
        yield from _method_faults(group, plugin)
        yield from _description_faults(plugin)


def _command_faults(plugin: type) -> Iterator[str]:
    for method in ("get_parser", "take_action"):
        if not callable(getattr(plugin, method, None)):
            yield f"has no method {method}: a command is a subclass of cliff's Command"
    if not describe_plugin(plugin).summary:
        yield "has no docstring, which is its help"


def _method_faults(group: str, plugin: type) -> Iterator[str]:
    interface = INTERFACES[group]
    for name, wanted in vars(interface).items():
        if not name.startswith("_") and inspect.isfunction(wanted):
            yield from _one_method_faults(plugin, name, wanted)
    if group == HANDLERS and getattr(plugin, "deliver", None) is not None:
        yield from _one_method_faults(plugin, "deliver", Delivering.deliver)
    own = OWN[group]
    if getattr(plugin, own, None) is getattr(interface, own):
        yield f"has no method {own} of its own"


def _one_method_faults(plugin: type, name: str, wanted: Callable[..., Any]) -> Iterator[str]:
    found = getattr(plugin, name, None)
    if not callable(found):
        yield f"has no method {name}"
    elif not _takes(found, inspect.signature(wanted)):
        yield (
            f"{name} must be callable as {name}{_call(inspect.signature(wanted))}, "
            f"and takes {inspect.signature(found)}"
        )


def _takes(found: Callable[..., Any], wanted: inspect.Signature) -> bool:
    try:
        inspect.signature(found).bind(*wanted.parameters)
    except TypeError:
        return False
    return True


def _call(wanted: inspect.Signature) -> str:
    return f"({', '.join(name for name in wanted.parameters if name != 'self')})"


def _description_faults(plugin: type) -> Iterator[str]:
    schema = getattr(plugin, "config_schema", None)
    if not isinstance(schema, Schema):
        found = "there is none" if schema is None else f"it is {type(schema).__name__}"
        yield f"config_schema must be a voluptuous Schema; {found}"
    if not describe_plugin(plugin).summary:
        yield "has no docstring, which says what it does and what it takes"
