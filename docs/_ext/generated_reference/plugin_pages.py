"""A page for each plugin that comes with Winchester."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_reference.distribution import own_plugins
from generated_reference.markdown import code, table, yaml_text
from generated_reference.wording import words_for
from winchester_core.plugins import (
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
)
from winchester_core.schemas import describe_schema, list_parameters, plugin_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from winchester_core.plugins import Plugin
    from winchester_core.schemas import Parameter

HOME = "reference/plugins"
DIRECTORIES = {
    HANDLERS: "handlers",
    CONDITIONS: "conditions",
    EVENT_SOURCES: "event_sources",
    TRAIT_PLUGINS: "trait_plugins",
}
"""Group to the directory of its pages, below `HOME`."""

KINDS = {
    HANDLERS: "A [handler](../../plugins.md#handlers), named in `pipelines.yaml`.",
    CONDITIONS: "A [condition](../../plugins.md#conditions), named in the criteria of a trigger.",
    EVENT_SOURCES: "An [event source](../../plugins.md#event-sources), named in `winchester.yaml`.",
    TRAIT_PLUGINS: "A [trait plugin](../../plugins.md#trait-plugins), named in event definitions.",
}
HOW_TO = {
    CONDITIONS: "triggers",
    TRAIT_PLUGINS: "notifications",
    "atompub": "deliver-messages",
    "notabene": "deliver-messages",
    "webhook": "deliver-messages",
    "http": "http",
    "rabbitmq": "rabbitmq",
    "yagi": "rabbitmq",
}
"""How-to page of each group or plugin."""


def pages() -> Mapping[str, Callable[[], str]]:
    """Name of each page, below `docs`, to what makes it."""
    return {
        f"{HOME}/{DIRECTORIES[group]}/{name}.md": partial(render, group, same)
        for group in DIRECTORIES
        for name, same in by_class(group).items()
    }


def by_class(group: str) -> dict[str, list[Plugin]]:
    """The plugins of `group`, those of one class together, by their first name."""
    together: dict[str, list[Plugin]] = {}
    for plugin in own_plugins(group).values():
        together.setdefault(plugin.value, []).append(plugin)
    return {plugins[0].name: plugins for plugins in together.values()}


def render(group: str, same: list[Plugin]) -> str:
    """The page of a plugin and its other names.

    Raises `LookupError` where it lacks a description, of itself or a parameter, or an example.
    """
    parts = [*_head(group, same), *_body(group, same[0], same[0].load())]
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(group: str, same: list[Plugin]) -> Iterator[str]:
    plugin, *others = same
    yield "<!-- made by docs/generate.py of the plugin's docstring, schema and example -->"
    yield f"# {plugin.name}"
    yield words_for(group, KINDS, "plugin_pages.KINDS")
    if others:
        yield f"Also named {', '.join(code(each.name) for each in others)}."


def _body(group: str, plugin: Plugin, loaded: Any) -> Iterator[str]:
    told = describe_plugin(loaded)
    yield _demanded(told.text, plugin, "description")
    schema = plugin_schema(plugin, loaded)
    if group == CONDITIONS:
        yield f"## Expression\n\nBeside the name stands: {describe_schema(schema)}."
    else:
        yield "## Parameters"
    yield _table(plugin, list_parameters(schema)) or ("" if group == CONDITIONS else "None.")
    yield f"## Example\n\n```yaml\n{_demanded(told.example, plugin, 'example')}\n```"
    how_to = HOW_TO.get(plugin.name) or HOW_TO.get(group)
    if how_to:
        yield f"How-to: [{_title(how_to)}](../../../how-to/{how_to}.md)."


def _table(plugin: Plugin, told: list[Parameter]) -> str:
    rows = [
        (
            code(each.name),
            each.takes,
            _default(each),
            _demanded(each.description, plugin, f"description of {each.name!r}"),
        )
        for each in told
    ]
    return table(["parameter", "type", "default", "meaning"], rows) if rows else ""


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    return "none" if parameter.default is None else code(yaml_text(parameter.default))


def _demanded(text: str, plugin: Plugin, what: str) -> str:
    if not text:
        raise LookupError(f"{plugin.origin} has no {what}, which its reference page needs")
    return text


def _title(how_to: str) -> str:
    page = Path(__file__).resolve().parents[2] / "how-to" / f"{how_to}.md"
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
