"""Telling editors and documentation what a check of a `config_schema` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from voluptuous import UNDEFINED

Check = TypeVar("Check", bound=Callable[..., Any])

ATTRIBUTE: Final = "takes"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a check takes: what `like`, another schema, does, and what `keywords` say."""

    like: Any
    keywords: Mapping[str, Any]


def takes(like: Any = UNDEFINED, /, **keywords: Any) -> Callable[[Check], Check]:
    """Decorate a check, a function in a `config_schema`, with what it takes.

    A function says by itself nothing that an editor could know. `like` is a schema of voluptuous
    that takes as much; `keywords` are of JSON Schema (draft-07), and go before what `like` says.
    `title` is a name for what is wanted, in few words. Tell only what is certain: what the check
    takes and this refuses is marked as wrong in an editor. Nothing is checked by it.

    >>> @takes(type="integer", minimum=1, maximum=65535, title="port")
    ... def port(value):
    ...     ...
    """

    def told(check: Check) -> Check:
        setattr(check, ATTRIBUTE, Taken(like, keywords))
        return check

    return told


def taken_by(check: Any) -> Taken | None:
    """What a check has been decorated with, or None."""
    taken = getattr(check, ATTRIBUTE, None)
    return taken if isinstance(taken, Taken) else None


def reference_to(definition: str) -> dict[str, str]:
    """JSON Schema that stands for one which depends on the plugins that are installed.

    `winchester_core.schemas` gives each document the definitions that it refers to.
    """
    return {"$ref": f"#/definitions/{definition}"}


def reference(definition: str) -> Callable[[Any], Any]:
    """The same as a part of a schema of voluptuous that only describes."""

    @takes(**reference_to(definition))
    def anything(value: Any) -> Any:
        return value

    return anything


def one_of_in_any_case(*words: str) -> dict[str, Any]:
    """Keywords for one of `words` in capitals or not; an editor offers them as written here."""
    pattern = f"^({'|'.join(map(_any_case, words))})$"
    return {
        "anyOf": [{"enum": list(words)}, {"type": "string", "pattern": pattern}],
        "title": f"one of {', '.join(words)}",
    }


def _any_case(word: str) -> str:
    return "".join(f"[{each.upper()}{each.lower()}]" if each.isalpha() else each for each in word)
