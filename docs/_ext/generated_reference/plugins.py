"""The plugins that come with Winchester, and the interfaces of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from generated_reference.distribution import own_plugins
from generated_reference.markdown import code, docstring, table
from generated_reference.schemas import keys
from generated_reference.signatures import render_class, render_methods
from generated_reference.wording import words_for
from winchester_core.interfaces import (
    Condition,
    Delivered,
    Effect,
    EventSource,
    PipelineHandler,
    Refused,
    RetryAfter,
    TraitPlugin,
)
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    NOUNS,
    TRAIT_PLUGINS,
    describe,
    noun,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.plugins import Plugin

INTERFACES: dict[str, type] = {
    HANDLERS: PipelineHandler,
    CONDITIONS: Condition,
    EVENT_SOURCES: EventSource,
    TRAIT_PLUGINS: TraitPlugin,
}
OF_DELIVERY = (Effect, Delivered, RetryAfter, Refused)
WHERE_NAMED = {
    HANDLERS: "`pipelines.yaml`",
    CONDITIONS: "the criteria of `triggers.yaml`",
    EVENT_SOURCES: "`event_sources` in `winchester.yaml`",
    TRAIT_PLUGINS: "`event_definitions.yaml`",
    COMMANDS: "the command line: `winchester NAME`",
}


def render_groups() -> str:
    """The entry-point groups, and what is registered in each."""
    rows = []
    for group in NOUNS:
        names = ", ".join(code(name) for name in own_plugins(group))
        if group == COMMANDS:
            names = "[the commands](commands.md#winchester)"
        rows.append(
            (
                code(group),
                f"{noun(group)}s",
                words_for(group, WHERE_NAMED, "plugins.WHERE_NAMED"),
                names,
            )
        )
    return table(["group", "holds", "named in", "built in"], rows)


def render_plugins() -> str:
    """Each plugin: its docstring, its parameters and an example."""
    return "\n\n".join(part for group in INTERFACES for part in _group(group))


def render_interfaces() -> str:
    """What an author subclasses, method by method, and what `deliver` is given and answers."""
    parts = []
    for group, interface in INTERFACES.items():
        parts += [
            f"### {interface.__name__}",
            f"`from winchester_core.interfaces import {interface.__name__}`",
            docstring(interface),
            render_methods(interface),
            f"Registered in {code(group)}.",
        ]
    names = ", ".join(each.__name__ for each in OF_DELIVERY)
    parts += ["### Effects and outcomes", code(f"from winchester_core.interfaces import {names}")]
    parts += map(render_class, OF_DELIVERY)
    return "\n\n".join(parts)


def by_class(group: str) -> dict[str, list[Plugin]]:
    """The plugins of `group`, those of one class together, by their first name."""
    together: dict[str, list[Plugin]] = {}
    for plugin in own_plugins(group).values():
        together.setdefault(plugin.value, []).append(plugin)
    return {plugins[0].name: plugins for plugins in together.values()}


def example(cls: Any) -> str:
    """The example of a plugin. Raises `LookupError` where there is none."""
    text = describe(cls).example
    if not text:
        raise LookupError(f"{cls!r} has no example, which its reference page needs")
    return text


def _group(group: str) -> Iterator[str]:
    title = f"{noun(group)}s"
    yield f"## {title[0].upper()}{title[1:]}"
    for name, plugins in by_class(group).items():
        cls = plugins[0].load()
        yield f"### {name}"
        if len(plugins) > 1:
            yield f"Also named {', '.join(code(each.name) for each in plugins[1:])}."
        yield docstring(cls)
        yield from _parameters(cls)
        yield f"```yaml\n{example(cls)}\n```"


def _parameters(cls: Any) -> Iterator[str]:
    rows = [(code(name), default) for name, default, _ in keys(cls.config_schema)]
    if rows:
        yield table(["parameter", "default"], rows)
