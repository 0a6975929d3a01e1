"""Which of the things that came is meant by which that is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.cases.values import is_as_expected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.config.cases import ExpectedItem

PART_OF_TEXT = "error"
"""The field of which a part of the text is expected."""

NAMING = frozenset({"distinguished_by", "message_id"})
TELLING = NAMING | {"trigger", "pipeline", "handler", "event_type"}
"""Fields by which a person knows which thing is meant, although another one differs."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """`pairs` are those of which one means the other, rightly or not; the rest has no partner."""

    pairs: Sequence[tuple[ExpectedItem, Mapping[str, Any]]]
    missing: Sequence[ExpectedItem]
    unexpected: Sequence[Mapping[str, Any]]


def pair(expected: Sequence[ExpectedItem], came: Sequence[Mapping[str, Any]]) -> Pairing:
    """Pair as many as possible that agree wholly, then those that agree in most."""
    partners = _agreeing(expected, came)
    left = [place for place in range(len(expected)) if place not in partners]
    free = [place for place in range(len(came)) if place not in partners.values()]
    for place in left:
        nearest = max(free, key=lambda each: _likeness(expected[place], came[each]), default=None)
        if nearest is not None and _likeness(expected[place], came[nearest]) > 0:
            partners[place] = nearest
            free.remove(nearest)
    return Pairing(
        pairs=[(expected[one], came[other]) for one, other in sorted(partners.items())],
        missing=[each for place, each in enumerate(expected) if place not in partners],
        unexpected=[came[place] for place in free],
    )


def differing(expected: ExpectedItem, came: Mapping[str, Any]) -> list[str]:
    """The fields in which it is not as expected."""
    return [name for name in expected.fields if not _agrees(expected, came, name)]


def _agrees(expected: ExpectedItem, came: Mapping[str, Any], name: str) -> bool:
    wanted = expected.fields[name]
    if name == PART_OF_TEXT:
        return wanted in (came.get(name) or "")
    return is_as_expected(wanted, came.get(name))


def _agreeing(
    expected: Sequence[ExpectedItem], came: Sequence[Mapping[str, Any]]
) -> dict[int, int]:
    """A greatest set of pairs that agree wholly: by augmenting paths, as in bipartite matching."""
    candidates = [
        [place for place, each in enumerate(came) if not differing(one, each)] for one in expected
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


def _likeness(expected: ExpectedItem, came: Mapping[str, Any]) -> int:
    """How much speaks for it that this one is meant; 0: nothing does."""
    agreeing = set(expected.fields) - set(differing(expected, came))
    if set(expected.fields) & TELLING and not agreeing & TELLING:
        return 0
    return 1 + sum(10 if name in NAMING else 1 for name in agreeing)
