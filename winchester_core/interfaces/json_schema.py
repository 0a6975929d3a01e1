"""JSON Schema of a validator function, for editors and documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from voluptuous import UNDEFINED

Check = TypeVar("Check", bound=Callable[..., Any])

ANNOTATION_ATTRIBUTE: Final = "json_schema"


@dataclass(frozen=True, slots=True)
class JsonSchemaAnnotation:
    """The schema `like`, overridden and extended by the JSON Schema `keywords`."""

    like: Any
    keywords: Mapping[str, Any]


def json_schema(like: Any = UNDEFINED, /, **keywords: Any) -> Callable[[Check], Check]:
    """Annotate a validator function of a `config_schema` with the JSON Schema of its input.

    Editors and the reference pages need it, because they cannot derive a schema from a function.
    `like` is a voluptuous schema that accepts the same input. `keywords` are JSON Schema keywords
    (draft-07) and take precedence over `like`; `title` is a short name of the expected value. The
    annotation must not be stricter than the function, because an editor would mark valid values as
    errors. The annotation itself validates nothing.

    >>> @json_schema(type="integer", minimum=1, maximum=65535, title="port")
    ... def port(value):
    ...     ...
    """

    def annotate(check: Check) -> Check:
        setattr(check, ANNOTATION_ATTRIBUTE, JsonSchemaAnnotation(like, keywords))
        return check

    return annotate


def annotation_of(check: Any) -> JsonSchemaAnnotation | None:
    """Return the annotation of a validator function, or None."""
    annotation = getattr(check, ANNOTATION_ATTRIBUTE, None)
    return annotation if isinstance(annotation, JsonSchemaAnnotation) else None


def definition_reference(definition: str) -> dict[str, str]:
    """Return a JSON Schema reference to a definition that depends on the installed plugins.

    `winchester_core.schemas` adds the definitions to each document.
    """
    return {"$ref": f"#/definitions/{definition}"}


def definition_placeholder(definition: str) -> Callable[[Any], Any]:
    """Return a validator that accepts anything and whose JSON Schema is the reference."""

    @json_schema(**definition_reference(definition))
    def anything(value: Any) -> Any:
        return value

    return anything


def case_insensitive_enum(*words: str) -> dict[str, Any]:
    """Return JSON Schema keywords for case-insensitive `words`. Editors suggest them unchanged."""
    pattern = f"^({'|'.join(map(_any_case, words))})$"
    return {
        "anyOf": [{"enum": list(words)}, {"type": "string", "pattern": pattern}],
        "title": f"one of {', '.join(words)}",
    }


def _any_case(word: str) -> str:
    return "".join(f"[{each.upper()}{each.lower()}]" if each.isalpha() else each for each in word)
