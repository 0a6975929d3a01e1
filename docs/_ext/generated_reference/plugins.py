"""Built-in plugins and the interfaces of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generated_reference.distribution import own_plugins
from generated_reference.markdown import code, docstring, table
from generated_reference.plugin_pages import DIRECTORIES, by_class
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
    GROUP_NOUNS,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
    group_noun,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """Render the entry-point groups and the names registered in each."""
    rows = []
    for group in GROUP_NOUNS:
        names = ", ".join(code(name) for name in own_plugins(group))
        if group == COMMANDS:
            names = "[the commands](commands.md#winchester)"
        rows.append(
            (
                code(group),
                f"{group_noun(group)}s",
                words_for(group, WHERE_NAMED, "plugins.WHERE_NAMED"),
                names,
            )
        )
    return table(["group", "plugins", "named in", "built in"], rows)


def render_plugins() -> str:
    """Render the plugins of each group, with summaries and links to their pages."""
    return "\n\n".join(part for group in INTERFACES for part in _group(group))


def _group(group: str) -> Iterator[str]:
    title = f"{group_noun(group)}s"
    yield f"## {title[0].upper()}{title[1:]}"
    rows = []
    for name, same in by_class(group).items():
        names = ", ".join(code(each.name) for each in same)
        link = f"[{names}](plugins/{DIRECTORIES[group]}/{name}.md)"
        rows.append((link, describe_plugin(same[0].load()).summary))
    yield table([group_noun(group), "purpose"], rows)


def render_interfaces() -> str:
    """Render the interfaces method by method, and arguments and results of `deliver`."""
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
