"""The event definitions document: how notifications become events, in StackDistiller's format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from voluptuous import Schema

from winchester_core.config.settings import EventDefinitions
from winchester_core.config.validation import INVALID, validate
from winchester_core.config.wording import Expected
from winchester_core.errors import PluginError

if TYPE_CHECKING:
    from winchester_core.config.document import Document, Path
    from winchester_core.config.report import Report

DefinitionsValidator: TypeAlias = Callable[[list[Any], Mapping[str, Any]], object]
"""Called with the whole list and the trait plugins by name, which are imported when looked up.
Raises `voluptuous.Invalid` with paths into the list, or `PluginError`."""

TRAIT_DEPTH = 3
"""How many steps lead to a trait: the definition's index, `traits`, the name."""


def may_repeat(path: Path) -> bool:
    """A trait may be defined twice, and the last counts: files of ceilometer 5 to 9 do that."""
    return len(path) == TRAIT_DEPTH and path[1] == "traits"


def definition(value: Any) -> dict[str, Any]:
    """One definition."""
    if isinstance(value, dict):
        return value
    raise Expected("expected a mapping of 'event_type' and 'traits'")


def definition_list(value: Any) -> list[Any]:
    """The whole document; an empty file defines nothing."""
    if value is None:
        return []
    if isinstance(value, list):
        checked: list[Any] = Schema([definition])(value)
        return checked
    raise Expected("expected a list of event definitions")


def read_event_definitions(
    document: Document,
    trait_plugins: Mapping[str, Any],
    validator: DefinitionsValidator | None,
    report: Report,
) -> EventDefinitions | None:
    """Return the definitions, or None when something is wrong with them.

    `validator` comes from the package that distills, which stands above this one.
    """

    def check(value: Any) -> Any:
        definitions = definition_list(value)
        if validator is not None:
            validator(definitions, trait_plugins)
        return definitions

    try:
        definitions = validate(document, check, report)
    except PluginError as error:
        report.add(document, (), error.reason)
        return None
    if definitions is INVALID:
        return None
    return EventDefinitions(document.name, tuple(definitions))
