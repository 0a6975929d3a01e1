"""Checks of rules whose keys are valid by themselves: settings that could never make an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from winchester_core.distill.definition_schema import make_problem
from winchester_core.distill.field_path import plain_steps
from winchester_core.errors import FieldPathError, PluginError
from winchester_core.mapping.paths import reads_traits
from winchester_core.mapping.templates import Template, TemplateError
from winchester_core.mapping.value_types import CONVERSION_FAILURES, CONVERTERS, to_datetime
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voluptuous import Invalid

    from winchester_core.distill.definition_schema import ProblemPath

TEXT_TYPES: Final = ("text", "utf8_text")
DEFAULT_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,),
    "float": (int, float),
    "boolean": (bool,),
}
"""Types of a `default`, which is not converted, by `type`."""


def value_paths(value: Any) -> list[str]:
    """Return the paths that a value, which may be invalid, reads."""
    options = value if isinstance(value, Mapping) else {"fields": value}
    fields = options.get("fields")
    texts = fields if isinstance(fields, list) else [fields]
    paths = [text for text in texts if isinstance(text, str)]
    template = options.get("template")
    with suppress(TemplateError, FieldPathError, PluginError):  # reported as problems of the value
        paths += [path.text for path in Template(template).paths] if template else []
    return paths


def value_reads_traits(value: Any) -> bool:
    """Return whether the paths of a value, which may be invalid, begin with `_traits`."""
    return any(map(reads_traits, value_paths(value)))


def event_key_problems(rule: Mapping[Any, Any], path: ProblemPath) -> Iterator[Invalid]:
    """Report values of `message_id`, `event_type` and `timestamp` that no message could have."""
    traits = rule.get("traits", {})
    names = [str(name) for name in traits] if isinstance(traits, Mapping) else None
    for key in ("message_id", "event_type", "timestamp"):
        for text in value_paths(rule.get(key)):
            steps = plain_steps(text) if reads_traits(text) else None
            if steps and len(steps) > 1 and names is not None and steps[1] not in names:
                hint = suggestion(str(steps[1]), names, "traits")
                message = f"{text!r}: the rule has no trait {steps[1]!r}; {hint}"
                yield make_problem([*path, key], message)
    timestamp = rule.get("timestamp")
    if isinstance(timestamp, Mapping):
        yield from _timestamp_problems(timestamp, [*path, "timestamp"])
    for key in ("message_id", "event_type"):
        value = rule.get(key)
        if isinstance(value, Mapping) and value.get("constant") == "":
            yield make_problem([*path, key, "constant"], "must have 1 to 255 characters, not 0")


def _timestamp_problems(value: Mapping[Any, Any], path: ProblemPath) -> Iterator[Invalid]:
    times = [name for name in CONVERTERS if name == "datetime" or name.startswith("epoch_")]
    kind = value.get("type")
    if kind in CONVERTERS and kind not in times:
        yield make_problem([*path, "type"], f"must be a type of times: {', '.join(times)}")
    for key in ("constant", "default"):
        if key not in value:
            continue
        try:
            to_datetime(value[key])
        except (ValueError, TypeError):
            failure = CONVERSION_FAILURES["datetime"]
            yield make_problem([*path, key], f"{value[key]!r} is {failure}")


def value_type_problems(value: Mapping[Any, Any], path: ProblemPath) -> Iterator[Invalid]:
    """Report `lower` and a `default` that do not fit the `type` of a value."""
    kind = value.get("type")
    if "lower" in value and kind in CONVERTERS and kind not in TEXT_TYPES:
        yield make_problem([*path, "lower"], f"has no effect on the type {kind!r}")
    default = value.get("default")
    types = DEFAULT_TYPES.get(kind) if isinstance(kind, str) else None
    if default is not None and types is not None and type(default) not in types:
        yield make_problem([*path, "default"], f"{default!r} is {CONVERSION_FAILURES[str(kind)]}")


def unreachable_problems(rules: Sequence[Any], path: ProblemPath) -> Iterator[Invalid]:
    """Report the rule after one without `when`, which decides about every message."""
    for index, rule in enumerate(rules[:-1]):
        if isinstance(rule, Mapping) and "when" not in rule:
            message = f"is never reached: rule {index} has no 'when' and applies to every message"
            yield make_problem([*path, index + 1], message)
            return
