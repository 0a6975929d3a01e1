"""Differences between the expected and the actual results of a case, with explanations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.config.cases import EXPECTED_KINDS
from winchester_core.criteria import MatchRole
from winchester_core.model.event import to_utc
from winchester_core.model.stream import Decision, StreamOutcome
from winchester_core.model.time_range import TimeRange, TimeStamp
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.paging import find_all
from winchester_core.triggers.explanation import explain_event, length_text
from winchester_core.triggers.member_explanation import (
    describe_cancelling,
    describe_ignored,
    explain_members,
)
from winchester_core.triggers.progress_explanation import (
    ONLY_EXPIRES,
    describe_missing,
    explain_progress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.config.cases import Expectation, ExpectedItem, ExpectedKind
    from winchester_core.storage.interface import Store
    from winchester_core.trigger_tests.actual import ActualResults
    from winchester_core.triggers.definition import TriggerDefinition


NOUNS: Mapping[ExpectedKind, str] = {
    "streams": "stream",
    "runs": "run",
    "new_events": "new event",
    "effects": "effect",
}
UNEXPECTED_FIELDS = {
    "streams": ("trigger", "distinguished_by", "outcome", "events"),
    "runs": ("trigger", "pipeline", "reason", "distinguished_by", "events"),
}
"""Fields that identify an unexpected item in a message. Other kinds are shown in full."""


def find_differences(
    expectation: Expectation,
    actual: ActualResults,
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]],
) -> Iterator[str]:
    """Yield each difference as text of one or more lines.

    `explain` returns the reasons why a stream differs from the expected stream.
    """
    for kind in EXPECTED_KINDS:
        for items, exactly in (
            (expectation.exact.get(kind), True),
            (expectation.including.get(kind), False),
        ):
            if items is not None:
                explainer = explain if kind == "streams" else None
                yield from _compare_kind(
                    kind, items, actual.items[kind], explainer, exactly=exactly
                )
    for name, expected in expectation.counts.items():
        count = actual.counts.get(name, 0)
        if count != expected:
            yield f"{expectation.place}: {name}: expected {expected}, got {count}"


def _compare_kind(
    kind: ExpectedKind,
    expected: Sequence[ExpectedItem],
    actual: Sequence[Mapping[str, Any]],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
    *,
    exactly: bool,
) -> Iterator[str]:
    match = match_expected(expected, actual)
    for item, actual_item in match.pairs:
        fields = differing_fields(item, actual_item)
        if fields:
            yield "\n".join(_compare_pair(kind, item, actual_item, fields, explain))
    for item in match.missing:
        text = _field_texts(item.fields, tuple(item.fields))
        yield f"{item.place}: {NOUNS[kind]}: expected {text}\n  got: none that is similar"
    for unexpected in match.unexpected if exactly else ():
        text = _field_texts(unexpected, UNEXPECTED_FIELDS.get(kind, tuple(unexpected)))
        yield f"unexpected {NOUNS[kind]}\n  got: {text}"


def _compare_pair(
    kind: ExpectedKind,
    item: ExpectedItem,
    actual: Mapping[str, Any],
    fields: Sequence[str],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
) -> Iterator[str]:
    equal_fields = {name: value for name, value in item.fields.items() if name not in fields}
    text = _field_texts(equal_fields, tuple(equal_fields))
    yield f"{item.place}: {NOUNS[kind]}{f' ({text})' if text else ''}"
    for name in fields:
        expected, got = item.fields[name], actual.get(name)
        yield f"  {name}: expected {value_text(expected)}, got {value_text(got)}"
        if name == "events":
            yield from _event_differences(expected, got or ())
    if explain is not None:
        yield from (f"  {line}" for line in explain(actual, item))


def _event_differences(expected: Sequence[str], actual: Sequence[str]) -> Iterator[str]:
    expected_ids, actual_ids = set(expected), set(actual)
    if expected_ids - actual_ids:
        yield f"    missing: {', '.join(each for each in expected if each not in actual_ids)}"
    if actual_ids - expected_ids:
        yield f"    unexpected: {', '.join(each for each in actual if each not in expected_ids)}"
    if expected_ids == actual_ids:
        yield "    the same events in another order"


def _field_texts(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {value_text(fields[name])}" for name in names)


# Matching of expected and actual items.


SUBSTRING_FIELD = "error"
"""Field for which the expected value is only a part of the actual text."""

KEY_FIELDS = frozenset({"distinguished_by", "message_id"})
IDENTIFYING_FIELDS = KEY_FIELDS | {"trigger", "pipeline", "handler", "event_type"}
"""Fields that identify an item if its other fields differ from the expectation."""


@dataclass(frozen=True, slots=True)
class ExpectationMatch:
    """Pairs of equal or similar items, and the items on both sides that have no counterpart."""

    pairs: Sequence[tuple[ExpectedItem, Mapping[str, Any]]]
    missing: Sequence[ExpectedItem]
    unexpected: Sequence[Mapping[str, Any]]


def match_expected(
    expected: Sequence[ExpectedItem], actual: Sequence[Mapping[str, Any]]
) -> ExpectationMatch:
    """Match as many equal items as possible, then the most similar of the remaining items."""
    matches = _exact_matches(expected, actual)
    unmatched = [index for index in range(len(expected)) if index not in matches]
    free = [index for index in range(len(actual)) if index not in matches.values()]
    for index in unmatched:
        nearest = max(
            free, key=lambda each: _similarity(expected[index], actual[each]), default=None
        )
        if nearest is not None and _similarity(expected[index], actual[nearest]) > 0:
            matches[index] = nearest
            free.remove(nearest)
    return ExpectationMatch(
        pairs=[(expected[one], actual[other]) for one, other in sorted(matches.items())],
        missing=[item for index, item in enumerate(expected) if index not in matches],
        unexpected=[actual[index] for index in free],
    )


def differing_fields(expected: ExpectedItem, actual: Mapping[str, Any]) -> list[str]:
    """Return the names of the expected fields that differ in `actual`."""
    return [name for name in expected.fields if not _field_matches(expected, actual, name)]


def _field_matches(expected: ExpectedItem, actual: Mapping[str, Any], name: str) -> bool:
    expected_value = expected.fields[name]
    if name == SUBSTRING_FIELD:
        return expected_value in (actual.get(name) or "")
    return values_match(expected_value, actual.get(name))


def _exact_matches(
    expected: Sequence[ExpectedItem], actual: Sequence[Mapping[str, Any]]
) -> dict[int, int]:
    """Return a maximum matching of equal items, by index (bipartite, with augmenting paths)."""
    candidates = [
        [index for index, each in enumerate(actual) if not differing_fields(item, each)]
        for item in expected
    ]
    matched_by: dict[int, int] = {}

    def augment(index: int, visited: set[int]) -> bool:
        for candidate in candidates[index]:
            if candidate not in visited:
                visited.add(candidate)
                if candidate not in matched_by or augment(matched_by[candidate], visited):
                    matched_by[candidate] = index
                    return True
        return False

    for index in range(len(expected)):
        augment(index, set())
    return {index: candidate for candidate, index in matched_by.items()}


def _similarity(expected: ExpectedItem, actual: Mapping[str, Any]) -> int:
    """Return a score of similarity; 0 if the items cannot correspond."""
    equal = set(expected.fields) - set(differing_fields(expected, actual))
    if set(expected.fields) & IDENTIFYING_FIELDS and not equal & IDENTIFYING_FIELDS:
        return 0
    return 1 + sum(10 if name in KEY_FIELDS else 1 for name in equal)


# Comparison and formatting of values.


def values_match(expected: Any, actual: Any) -> bool:
    """Return whether `actual` equals the YAML value `expected`. 1, 1.0, true and "1" differ.

    A date, or a time without an offset, is in UTC. A time range is a list of its two ends.
    """
    expected, actual = _normalized(expected), _normalized(actual)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(
            values_match(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(values_match, expected, actual))
    return type(expected) is type(actual) and bool(expected == actual)


def value_text(value: Any) -> str:
    """Return a value as text on one line, with times as in YAML."""
    json_value = _json_value(value)
    if isinstance(json_value, str) and json_value.isprintable():
        return json_value
    return json.dumps(json_value, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    value = _normalized(value)
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): _json_value(item) for key, item in value.items()}
        case list():
            return [_json_value(item) for item in value]
    return value


def _normalized(value: Any) -> Any:
    match value:
        case datetime():
            return to_utc(value)
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case TimeStamp():
            return value.timestamp
        case TimeRange():
            return [value.begin, value.end]
        case tuple():
            return list(value)
    return value


class DifferenceExplainer:
    """Explains why a stream in `store` differs from the expected stream."""

    def __init__(self, store: Store, definitions: Mapping[str, TriggerDefinition]) -> None:
        self._store = store
        self._definitions = definitions

    def explain(self, actual: Mapping[str, Any], expected: ExpectedItem) -> list[str]:
        """Return known reasons for a different outcome and for missing events."""
        definition = self._definitions[actual["trigger"]]
        reasons: list[str] = []
        if expected.fields.get("outcome", actual["outcome"]) != actual["outcome"]:
            reasons += self._outcome_reasons(definition, actual, expected)
        expected_events = expected.fields.get("events", ())
        missing = [each for each in expected_events if each not in actual["events"]]
        return [*reasons, *(self._missing_event_reason(definition, each) for each in missing)]

    def _outcome_reasons(
        self, definition: TriggerDefinition, actual: Mapping[str, Any], expected: ExpectedItem
    ) -> Iterator[str]:
        stream = self._store.get_stream_by_id(actual["id"])
        events = self._store.get_stream_events(stream.id)
        if stream.decision is Decision.SUPPRESSED:
            yield f"because its group was silent: suppress {length_text(definition.suppress)}"
        members = explain_members(definition, stream, events)
        if stream.decision is Decision.CANCELLED and members.cancelled_by is not None:
            yield f"because {describe_cancelling(members.cancelled_by)}"
        elif stream.fire_timestamp is None:
            is_to_fire = expected.fields["outcome"] == StreamOutcome.FIRED
            if is_to_fire and not definition.fire_criteria:
                yield f"because its trigger {ONLY_EXPIRES}"
            for number, each in enumerate(explain_progress(definition, stream, events), start=1):
                if not each.is_met:
                    yield f"because {describe_missing(number, each)}"
            for reason in describe_ignored(members):
                yield f"because {reason}"
        if stream.last_error:
            yield f"because {stream.last_error.rstrip().rpartition(chr(10))[2]}"

    def _missing_event_reason(self, definition: TriggerDefinition, message_id: str) -> str:
        if not self._store.has_event(message_id):
            return f"{message_id} is not in the stream: no such event is stored"
        event = self._store.get_event_by_message_id(message_id)
        explanation = explain_event(definition, event)
        if not explanation.matched:
            reasons = [each.reason for each in explanation.match_criteria if not each.is_met]
            return f"{message_id} is not in the stream: {'; '.join([explanation.reason, *reasons])}"
        holding = StreamFilter(name=definition.name, message_id=message_id)
        found = find_all(self._store.find_streams, holding)
        groups = [stream.distinguished_by for stream in found]
        if not groups:
            reason = self._unheld_reason(definition, message_id, explanation.role)
            text = f"{message_id} is in no stream of trigger {definition.name!r}"
            return f"{text}: {reason}" if reason else text
        return f"{message_id} is not in this stream, but in the stream of {value_text(groups)}"

    def _unheld_reason(
        self, definition: TriggerDefinition, message_id: str, role: MatchRole | None
    ) -> str:
        """Return why no stream holds an event that matches the trigger; empty if unknown."""
        until = self._store.waits_of(message_id).get(definition.name)
        now = self._store.event_clock()
        if until is not None and (now is None or now < until):
            end = until.isoformat()
            return f"it waits until {end} (lateness) for an event of its group that opens a stream"
        reasons = []
        if role is not MatchRole.OPENS:
            lateness = length_text(definition.lateness) if definition.lateness else None
            late = f", and none was opened within {lateness} (lateness)" if lateness else ""
            reasons.append(f"its group had no open stream{late}")
        if definition.keep is not None:
            reasons.append(f"it has left its stream (keep {length_text(definition.keep)})")
        return "; or ".join(reasons)
