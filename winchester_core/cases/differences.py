"""What of a case is not as expected, in words: what was expected, what came, which event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cases.pairing import differing, pair
from winchester_core.cases.values import in_words
from winchester_core.config.cases import EXPECTED_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from winchester_core.cases.outcome import Came
    from winchester_core.config.cases import Expectation, ExpectedItem, ExpectedKind

NOUNS: Mapping[ExpectedKind, str] = {
    "streams": "stream",
    "runs": "run",
    "new_events": "new event",
    "effects": "effect",
}
SHOWN_OF_UNEXPECTED = {
    "streams": ("trigger", "distinguished_by", "outcome", "events"),
    "runs": ("trigger", "pipeline", "reason", "distinguished_by", "events"),
}
"""What tells a person which one it is; of events and effects, all is shown."""


def differences(
    expectation: Expectation,
    came: Came,
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
                yield from _of_kind(kind, items, came.items[kind], why, exactly=exactly)
    for name, number in expectation.counts.items():
        if came.counts.get(name, 0) != number:
            yield f"{expectation.place}: {name}: expected {number}, came {came.counts.get(name, 0)}"


def _of_kind(
    kind: ExpectedKind,
    expected: Sequence[ExpectedItem],
    came: Sequence[Mapping[str, Any]],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
    *,
    exactly: bool,
) -> Iterator[str]:
    found = pair(expected, came)
    for item, partner in found.pairs:
        fields = differing(item, partner)
        if fields:
            yield "\n".join(_of_pair(kind, item, partner, fields, explain))
    for item in found.missing:
        wanted = _shown(item.fields, tuple(item.fields))
        yield f"{item.place}: {NOUNS[kind]}: expected {wanted}\n  came: none that resembles it"
    for extra in found.unexpected if exactly else ():
        shown = _shown(extra, SHOWN_OF_UNEXPECTED.get(kind, tuple(extra)))
        yield f"{NOUNS[kind]} that was not expected\n  came: {shown}"


def _of_pair(
    kind: ExpectedKind,
    item: ExpectedItem,
    partner: Mapping[str, Any],
    fields: Sequence[str],
    explain: Callable[[Mapping[str, Any], ExpectedItem], Sequence[str]] | None,
) -> Iterator[str]:
    known = {name: value for name, value in item.fields.items() if name not in fields}
    named = _shown(known, tuple(known))
    yield f"{item.place}: {NOUNS[kind]}{f' ({named})' if named else ''}"
    for name in fields:
        wanted, came = item.fields[name], partner.get(name)
        yield f"  {name}: expected {in_words(wanted)}, came {in_words(came)}"
        if name == "events":
            yield from _events(wanted, came)
    if explain is not None:
        yield from (f"  {line}" for line in explain(partner, item))


def _events(wanted: Sequence[str], came: Sequence[str] | None) -> Iterator[str]:
    here, there = set(wanted), set(came or ())
    if here - there:
        yield f"    missing: {', '.join(each for each in wanted if each not in there)}"
    if there - here:
        yield f"    not expected: {', '.join(each for each in came or () if each not in here)}"
    if here == there:
        yield "    the same, in another order"


def _shown(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {in_words(fields[name])}" for name in names)
