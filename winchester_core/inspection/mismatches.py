"""Evaluation of the newest stored events against a trigger: numbers of matches, and of mismatches.

It serves triggers without a `debug_level`, for which ingest counts no mismatches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from winchester_core.storage.filters import EventFilter, ListOrder
from winchester_core.triggers.explanation import explain_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.event import Event
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.triggers.definition import TriggerDefinition

MAX_EVENTS: Final = 200
MAX_SEARCHED_ROWS: Final = 10_000
MAX_PATTERNS: Final = 10
"""Number of patterns of event types that are searched; each may need a separate search."""

MAX_REASON_LENGTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of evaluating events: numbers of events and of each reason for a mismatch.

    `newest` and `oldest` are the first and the last event, or None if there is no event. The
    search is `partial` if it ended at its bound, so that there may be further, older events.
    """

    matched: int
    mismatched: int
    reasons: Mapping[str, int]
    newest: Event | None
    oldest: Event | None
    partial: bool


def evaluate_newest(store: ReadStore, definition: TriggerDefinition) -> Evaluation:
    """Evaluate the newest stored events of the trigger's event types, at most `MAX_EVENTS`.

    Each event is evaluated against the present definition, as if it were ingested now. Searches at
    most `MAX_SEARCHED_ROWS` rows.
    """
    events, partial = _newest_events(store, definition)
    reasons: Counter[str] = Counter()
    matched = 0
    for event in events:
        explanation = explain_event(definition, event)
        if explanation.matched:
            matched += 1
        else:
            reasons[_reason(definition, event)[:MAX_REASON_LENGTH]] += 1
    return Evaluation(
        matched,
        len(events) - matched,
        dict(reasons.most_common()),
        events[0] if events else None,
        events[-1] if events else None,
        partial,
    )


def _newest_events(store: ReadStore, definition: TriggerDefinition) -> tuple[list[Event], bool]:
    """Return the events, the newest first, and whether a search ended at its bound."""
    patterns = _patterns(definition)
    partial = len(patterns) > MAX_PATTERNS
    patterns = patterns[:MAX_PATTERNS]
    found: dict[tuple[int, ...], Event] = {}
    for pattern in patterns:
        page = store.page_of_events(
            EventFilter(event_type=pattern),
            limit=MAX_EVENTS,
            order=ListOrder.NEWEST,
            max_rows=MAX_SEARCHED_ROWS // len(patterns),
        )
        partial |= page.searched_to is not None
        found |= {
            key: event
            for key, event in zip(page.keys, page.items, strict=True)
            if _has_matching_type(definition, event)
        }
    newest = sorted(found, reverse=True)[:MAX_EVENTS]
    return [found[key] for key in newest], partial


def _patterns(definition: TriggerDefinition) -> list[str]:
    """Return the patterns of event types, with the wildcards that the store knows."""
    patterns = (
        pattern
        for criterion in definition.evaluated_criteria
        for pattern in criterion.event_types.inclusions
    )
    return list(dict.fromkeys(map(_store_pattern, patterns)))


def _store_pattern(pattern: str) -> str:
    """Return a pattern that matches at least the same types: a set of letters becomes `?`."""
    parts = []
    rest = pattern
    while rest:
        first = 3 if rest.startswith("[!") else 2  # "]" as the first letter belongs to the set
        end = rest.find("]", first) if rest[0] == "[" else -1
        parts.append(rest[0] if end < 0 else "?")
        rest = rest[end + 1 :] if end >= 0 else rest[1:]
    return "".join(parts)


def _has_matching_type(definition: TriggerDefinition, event: Event) -> bool:
    return any(
        criterion.event_types.matches(event["event_type"])
        for criterion in definition.evaluated_criteria
    )


def _reason(definition: TriggerDefinition, event: Event) -> str:
    """Return the reason why an event does not match, in the words of the debug counts."""
    candidates = [
        criterion.explain(event)
        for criterion in definition.evaluated_criteria
        if criterion.event_types.matches(event["event_type"])
    ]
    if any(each.matched for each in candidates):
        return explain_event(definition, event).reason
    return "; ".join(each.reason for each in candidates)
