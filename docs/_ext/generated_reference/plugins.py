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
EXAMPLES = {
    CONDITIONS: {
        "cidr": "address: {cidr: [10.0.0.0/8, 192.168.0.0/16]}",
        "datetime": "launched_at: {datetime: day}",
        "exists": "deleted_at: {exists: false}",
        "float": 'load: {float: ">= 0.9"}',
        "glob": "host: {glob: web-*}",
        "in": "state: {in: [active, error]}",
        "int": 'memory_mb: {int: "> 512"}',
        "numeric": 'amount: {numeric: "> 0"}',
        "range": "vcpus: {range: {min: 1, max: 4}}",
        "regex": "host: {regex: '^web-[0-9]+$'}",
        "string": "state: {string: active}",
    },
    HANDLERS: {
        "atompub": "name: atompub\nparams:\n  url: https://feeds.example.org/nova/events\n"
        "  event_types: compute.instance.exists.verified\n  content_format: cuf_xml\n"
        "  extra_info: {data_center: DFW1, region: DFW}",
        "logger": "name: logger\nparams: {level: WARNING}",
        "notabene": "name: notabene\nparams:\n  host: rabbit.example.org\n  exchange: nova\n"
        "  queue_name: monitor.info\n  env_keys: [usage_notifications]",
        "usage": "name: usage",
        "webhook": "name: webhook\nparams:\n  url: https://hooks.example.org/instances\n"
        "  event_types: [compute.instance.*, '!*.start']\n  secret: correct horse",
    },
    EVENT_SOURCES: {
        "http": "web:\n  source: http\n  params: {port: 8700, timeout_seconds: 10}",
        "jsonl": "incoming:\n  source: jsonl\n  params: {path: /var/spool/events, format: event}",
        "yagi": "old:\n  source: yagi\n  params: {path: /etc/yagi/yagi.conf}",
        "oslo": "nova:\n  source: oslo\n  params:\n"
        "    transport_url: rabbit://winchester:secret@broker.example.org:5672/nova\n"
        "    topics: [notifications]",
        "rabbitmq": "nova:\n  source: rabbitmq\n  params:\n"
        "    url: amqp://winchester:secret@broker.example.org:5672/nova\n    queues:\n"
        "      - {name: monitor.info, exchange: nova, routing_keys: [monitor.info]}",
    },
    TRAIT_PLUGINS: {
        "bitfield": "flags:\n  type: int\n  fields: payload.deleted_at\n  plugin:\n"
        "    name: bitfield\n    parameters: {flags: [{path: payload.deleted_at, bit: 0}]}",
        "map": "power:\n  fields: payload.state\n  plugin:\n    name: map\n"
        "    parameters: {values: {active: up, stopped: down}, default: unknown}",
        "split": "host:\n  fields: publisher_id\n  plugin:\n    name: split\n"
        "    parameters: {segment: 1, max_split: 1}",
        "timedelta": "seconds:\n  type: float\n  fields: [payload.start, payload.end]\n"
        "  plugin: timedelta",
    },
}
"""How each is written where it is named; a test tries them."""


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
        example = words_for(name, EXAMPLES[group], "plugins.EXAMPLES")
        yield f"```yaml\n{example}\n```"


def _parameters(cls: Any) -> Iterator[str]:
    rows = [(code(name), default) for name, default, _ in keys(cls.config_schema)]
    if rows:
        yield table(["parameter", "default"], rows)
