"""What of a case is not as expected, in words: what was expected, what came, which event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.config.cases import EXPECTED_KINDS
from winchester_core.model.event import to_utc
from winchester_core.model.time_range import TimeRange, TimeStamp
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import describe_missing, explain_event, explain_progress

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
"""What tells a person which one it is; of events and effects, all is shown."""


def find_differences(
    expectation: Expectation,
    came: ActualResults,
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]],
) -> Iterator[str]:
    """Each difference, some of several lines.

    `explain` says of a stream that is not as expected why it is as it is.
    """
    for kind in EXPECTED_KINDS:
        for items, exactly in (
            (expectation.exact.get(kind), True),
            (expectation.including.get(kind), False),
        ):
            if items is not None:
                why = explain if kind == "streams" else None
                yield from _compare_kind(kind, items, came.items[kind], why, exactly=exactly)
    for name, number in expectation.counts.items():
        if came.counts.get(name, 0) != number:
            yield f"{expectation.place}: {name}: expected {number}, came {came.counts.get(name, 0)}"


def _compare_kind(
    kind: ExpectedKind,
    expected: Sequence[ExpectedItem],
    came: Sequence[Mapping[str, Any]],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
    *,
    exactly: bool,
) -> Iterator[str]:
    found = match_expected(expected, came)
    for item, partner in found.pairs:
        fields = differing_fields(item, partner)
        if fields:
            yield "\n".join(_compare_pair(kind, item, partner, fields, explain))
    for item in found.missing:
        wanted = _field_texts(item.fields, tuple(item.fields))
        yield f"{item.place}: {NOUNS[kind]}: expected {wanted}\n  came: none that resembles it"
    for extra in found.unexpected if exactly else ():
        shown = _field_texts(extra, UNEXPECTED_FIELDS.get(kind, tuple(extra)))
        yield f"{NOUNS[kind]} that was not expected\n  came: {shown}"


def _compare_pair(
    kind: ExpectedKind,
    item: ExpectedItem,
    partner: Mapping[str, Any],
    fields: Sequence[str],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
) -> Iterator[str]:
    known = {name: value for name, value in item.fields.items() if name not in fields}
    named = _field_texts(known, tuple(known))
    yield f"{item.place}: {NOUNS[kind]}{f' ({named})' if named else ''}"
    for name in fields:
        wanted, came = item.fields[name], partner.get(name)
        yield f"  {name}: expected {value_text(wanted)}, came {value_text(came)}"
        if name == "events":
            yield from _event_differences(wanted, came)
    if explain is not None:
        yield from (f"  {line}" for line in explain(partner, item))


def _event_differences(wanted: Sequence[str], came: Sequence[str] | None) -> Iterator[str]:
    here, there = set(wanted), set(came or ())
    if here - there:
        yield f"    missing: {', '.join(each for each in wanted if each not in there)}"
    if there - here:
        yield f"    not expected: {', '.join(each for each in came or () if each not in here)}"
    if here == there:
        yield "    the same, in another order"


def _field_texts(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {value_text(fields[name])}" for name in names)


# Which of the things that came is meant by which that is expected.


SUBSTRING_FIELD = "error"
"""The field of which a part of the text is expected."""

KEY_FIELDS = frozenset({"distinguished_by", "message_id"})
IDENTIFYING_FIELDS = KEY_FIELDS | {"trigger", "pipeline", "handler", "event_type"}
"""Fields by which a person knows which thing is meant, although another one differs."""


@dataclass(frozen=True, slots=True)
class ExpectationMatch:
    """`pairs` are those of which one means the other, rightly or not; the rest has no partner."""

    pairs: Sequence[tuple[ExpectedItem, Mapping[str, Any]]]
    missing: Sequence[ExpectedItem]
    unexpected: Sequence[Mapping[str, Any]]


def match_expected(
    expected: Sequence[ExpectedItem], came: Sequence[Mapping[str, Any]]
) -> ExpectationMatch:
    """Pair as many as possible that agree wholly, then those that agree in most."""
    partners = _exact_matches(expected, came)
    left = [place for place in range(len(expected)) if place not in partners]
    free = [place for place in range(len(came)) if place not in partners.values()]
    for place in left:
        nearest = max(free, key=lambda each: _similarity(expected[place], came[each]), default=None)
        if nearest is not None and _similarity(expected[place], came[nearest]) > 0:
            partners[place] = nearest
            free.remove(nearest)
    return ExpectationMatch(
        pairs=[(expected[one], came[other]) for one, other in sorted(partners.items())],
        missing=[each for place, each in enumerate(expected) if place not in partners],
        unexpected=[came[place] for place in free],
    )


def differing_fields(expected: ExpectedItem, came: Mapping[str, Any]) -> list[str]:
    """The fields in which it is not as expected."""
    return [name for name in expected.fields if not _field_matches(expected, came, name)]


def _field_matches(expected: ExpectedItem, came: Mapping[str, Any], name: str) -> bool:
    wanted = expected.fields[name]
    if name == SUBSTRING_FIELD:
        return wanted in (came.get(name) or "")
    return values_match(wanted, came.get(name))


def _exact_matches(
    expected: Sequence[ExpectedItem], came: Sequence[Mapping[str, Any]]
) -> dict[int, int]:
    """A greatest set of pairs that agree wholly: by augmenting paths, as in bipartite matching."""
    candidates = [
        [place for place, each in enumerate(came) if not differing_fields(one, each)]
        for one in expected
    ]
    holder: dict[int, int] = {}

    def find_for(place: int, tried: set[int]) -> bool:
        for other in candidates[place]:
            if other not in tried:
                tried.add(other)
                if other not in holder or find_for(holder[other], tried):
                    holder[other] = place
                    return True
        return False

    for place in range(len(expected)):
        find_for(place, set())
    return {place: other for other, place in holder.items()}


def _similarity(expected: ExpectedItem, came: Mapping[str, Any]) -> int:
    """How much speaks for it that this one is meant; 0: nothing does."""
    agreeing = set(expected.fields) - set(differing_fields(expected, came))
    if set(expected.fields) & IDENTIFYING_FIELDS and not agreeing & IDENTIFYING_FIELDS:
        return 0
    return 1 + sum(10 if name in KEY_FIELDS else 1 for name in agreeing)


# Whether a value is the one that a case expects, and how values are written.


def values_match(expected: Any, came: Any) -> bool:
    """Tell whether `came` is what a file of YAML means by `expected`; 1, 1.0, true, "1" differ.

    A date, or a time without offset, is one of UTC; a range of time is a list of its two ends.
    """
    expected, came = _normalized(expected), _normalized(came)
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        return expected.keys() == came.keys() and all(
            values_match(value, came[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(came, list):
        return len(expected) == len(came) and all(map(values_match, expected, came))
    return type(expected) is type(came) and bool(expected == came)


def value_text(value: Any) -> str:
    """A value on one line, times as they are written in YAML."""
    plain = _json_value(value)
    if isinstance(plain, str) and plain.isprintable():
        return plain
    return json.dumps(plain, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    """A value as JSON has it."""
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


# Why a stream of a case is as it is: what it lacks to fire, and where a missing event went.


class DifferenceExplainer:
    """Explains what is in `store` by the triggers `definitions`."""

    def __init__(self, store: Store, definitions: Mapping[str, TriggerDefinition]) -> None:
        self._store = store
        self._definitions = definitions

    def of(self, came: Mapping[str, Any], expected: ExpectedItem) -> list[str]:
        """What explains that a stream is not as expected, as far as it does."""
        definition = self._definitions[came["trigger"]]
        told: list[str] = []
        if expected.fields.get("outcome", came["outcome"]) != came["outcome"]:
            told += self._lacking(definition, came)
        missing = [each for each in expected.fields.get("events", ()) if each not in came["events"]]
        return [*told, *(self._absence(definition, each) for each in missing)]

    def _lacking(self, definition: TriggerDefinition, came: Mapping[str, Any]) -> Iterator[str]:
        stream = self._store.get_stream_by_id(came["id"])
        events = self._store.get_stream_events(stream.id)
        for place, each in enumerate(explain_progress(definition, stream, events), start=1):
            if not each.is_met:
                yield f"because {describe_missing(place, each)}"
        if stream.last_error:
            yield f"because {stream.last_error.rstrip().rpartition(chr(10))[2]}"

    def _absence(self, definition: TriggerDefinition, message_id: str) -> str:
        if not self._store.has_event(message_id):
            return f"{message_id} is not in it: no such event is stored"
        told = explain_event(definition, self._store.get_event_by_message_id(message_id))
        if not told.matched:
            reasons = [each.reason for each in told.match_criteria if not each.is_met]
            return f"{message_id} is not in it: {'; '.join([told.reason, *reasons])}"
        wanted = StreamFilter(name=definition.name, message_id=message_id)
        others = [each.distinguished_by for each in self._store.find_streams(wanted)]
        return f"{message_id} is not in it, but in the stream of {value_text(others)}"
