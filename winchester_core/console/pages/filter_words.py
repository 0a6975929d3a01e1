"""Filters of lists in words, for people who confirm an action on all matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from winchester_core.console.parameters import TIME, Query
from winchester_core.inspection.values import iso_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.console.parameters import QueryParameter
    from winchester_core.console.site import Site


class FilterWords(NamedTuple):
    """A filter in words. Several values are alternatives; a filter that is a flag has none."""

    text: str
    values: Sequence[str] = ()
    is_time: bool = False


_WORDS: Final[Mapping[str, str]] = {
    "trigger": "of the trigger",
    "outcome": "with the outcome",
    "event_type": "with an event of the type",
    "error": "with this text in the last error:",
    "message_id": "that hold the event",
    "last_event_older_than": "whose last event is before",
    "last_event_younger_than": "whose last event is not before",
    "trial": "that will be tried alone",
    "unknown": "of triggers that are not configured",
    "source": "from the source",
    "kind": "of the kind",
    "state": "in the state",
    "pipeline": "of the pipeline",
    "handler": "of the handler",
    "stream": "of the stream",
}
_FLAGS: Final = ("trial", "unknown")
_AGES: Final[Mapping[str, tuple[str, str]]] = {
    "streams": ("whose first event is before", "whose first event is not before"),
    "rejected": ("stored before", "stored since"),
    "outbox": ("recorded before", "recorded since"),
}
"""Words of `older_than` and `younger_than`."""


def filters_in_words(resource_name: str, query: Query) -> list[FilterWords]:
    """Return the filters of a query in words, in the order in which they were sent."""
    found = []
    for name in dict.fromkeys(key for key, _ in query.pairs):
        values, is_time = query.all(name), name.endswith("er_than")
        if name == "trait":
            found += [FilterWords("with the trait", [value]) for value in values]
        elif name in _FLAGS:
            found.append(FilterWords(_WORDS[name]))
        elif name in ("older_than", "younger_than"):
            words = _AGES[resource_name][name == "younger_than"]
            found.append(FilterWords(words, values, is_time))
        else:
            found.append(FilterWords(_WORDS[name], values, is_time))
    return found


def with_absolute_times(site: Site, parameters: Sequence[QueryParameter], query: Query) -> Query:
    """Return a query that selects the same objects later: durations before now become times.

    Raises `UsageError`.
    """
    of_time = {each.name: each for each in parameters if each.schema is TIME}

    def absolute(name: str, text: str) -> str:
        return str(iso_text(of_time[name].parse(site, text))) if name in of_time else text

    return Query(tuple((name, absolute(name, text)) for name, text in query.pairs))
