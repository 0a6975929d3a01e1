"""Sections of `docs/reference/ready-mappings.md`, made of the files of the ready mappings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generated_reference.markdown import code, filled, table
from winchester_core.mapping import read_ready_mapping, ready_mapping_names, ready_mapping_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

KEYS = ("message_id", "event_type", "timestamp")
_KEY_LINE = re.compile(rf"({'|'.join(KEYS)})\s+(.+)")
_PATH = re.compile(r"\{[^{}]+\}")


@dataclass
class Head:
    """Parts of the comment at the beginning of a file."""

    title: str
    addresses: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def head_of(name: str) -> Head:
    """Return the comment at the beginning of a ready mapping's file.

    Raises `LookupError` if it does not describe each of `KEYS`.
    """
    comment = ready_mapping_text(name).partition("\n\n")[0]
    title, *lines = [line.removeprefix("#") for line in comment.splitlines()]
    head = Head(title.strip())
    key = ""
    for line in lines:
        text = line.strip()
        if found := _KEY_LINE.fullmatch(text):
            key = found[1]
            head.keys[key] = found[2]
        elif text.startswith("https://"):
            head.addresses.append(text)
        elif not text:
            key = ""
        elif key:
            head.keys[key] += f" {text}"
        else:
            head.notes.append(text)
    if set(head.keys) != set(KEYS):
        raise LookupError(f"the comment of {name}.yaml must describe {', '.join(KEYS)}")
    return head


def event_rules(name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rules of a ready mapping that make events, each once."""
    seen: list[Any] = []
    for rule in read_ready_mapping(name):
        for each in rule.get("rules", [rule]):
            if "event_type" in each and each not in seen:
                seen.append(each)
                yield each


def event_type_globs(name: str) -> list[str]:
    """Return globs that match all event types of a ready mapping, each once."""
    return list(dict.fromkeys(glob for rule in event_rules(name) for glob in _globs(rule)))


def _globs(rule: Mapping[str, Any]) -> Iterable[str]:
    event_type = rule["event_type"]
    if "constant" in event_type:
        return [event_type["constant"]]
    if "template" in event_type:
        return _filled_template(event_type["template"], rule.get("when", {}))
    values: Mapping[str, str] = event_type["plugin"]["parameters"]["values"]
    return values.values()


def _filled_template(template: str, when: Mapping[str, Any]) -> list[str]:
    """Return a template with the constants of `when` and with `*` for other paths."""
    texts = [template]
    for path in _PATH.findall(template):
        condition = when.get(path[1:-1], "*")
        values = condition if isinstance(condition, list) else [condition]
        known = [value if isinstance(value, str) else "*" for value in values]
        texts = [text.replace(path, value) for text in texts for value in known]
    return texts


def _section(name: str) -> str:
    head = head_of(name)
    addresses = ", ".join(f"<{address}>" for address in head.addresses)
    meanings = [f"- {code(key)}: {text}" for key, text in head.keys.items()]
    globs = (f"- {code(glob)}" for glob in event_type_globs(name))
    return "\n\n".join(
        [
            f"## {code(name)}",
            filled(f"{head.title}. Format: {addresses}."),
            "\n".join(filled(line).replace("\n", "\n  ") for line in meanings),
            filled(" ".join(head.notes)),
            "Event types:",
            "\n".join(globs),
            "Traits:",
            _traits(name),
        ]
    )


def _traits(name: str) -> str:
    paths: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    for rule in event_rules(name):
        for trait, value in rule["traits"].items():
            options = {"fields": value} if isinstance(value, str) else value
            types.setdefault(trait, _type_of(options))
            paths.setdefault(trait, []).extend(_sources_of(options))
    return table(
        ["trait", "type", "from"],
        (
            (code(trait), types[trait], ", ".join(code(each) for each in dict.fromkeys(sources)))
            for trait, sources in paths.items()
        ),
    )


def _type_of(value: Mapping[str, Any]) -> str:
    kind: str = value.get("type", "text")
    if kind.startswith("epoch"):
        return "datetime"
    return "text" if kind == "utf8_text" else kind


def _sources_of(value: Mapping[str, Any]) -> list[str]:
    if "template" in value:
        return [value["template"]]
    fields = value["fields"]
    return [fields] if isinstance(fields, str) else fields


def _render() -> str:
    return "\n\n".join(_section(name) for name in ready_mapping_names())


REGIONS: Mapping[str, Callable[[], str]] = {"mappings": _render}
"""Region of the page to its renderer."""
