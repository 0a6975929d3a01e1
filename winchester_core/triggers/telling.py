"""By which of their constants candidates are best looked up."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from winchester_core.matching.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.matching import Criterion
    from winchester_core.model.event import TraitValue
    from winchester_core.triggers.shortlist import Candidate

FEWEST_NARROWED = 4
"""How many candidates it takes before a look-up is cheaper than trying them."""


def telling_demands(candidates: Sequence[Candidate[Any]]) -> dict[int, list[Selection]]:
    """By place, what to look up each criterion of a candidate by; {} where it is not worth it.

    Left out are candidates that one of their criteria lets in whatever the event's traits, and
    those which more than half of the others are found together with.
    """
    narrowed = {place: each for place, each in enumerate(candidates) if _is_narrowed(each)}
    crowd = Counter(
        (trait, value)
        for each in narrowed.values()
        for criterion in each.criteria
        for trait, values in criterion.required.items()
        for value in values
    )
    telling = {}
    for place, each in narrowed.items():
        ranked = [_most_telling(criterion, crowd) for criterion in each.criteria]
        if all(together <= len(candidates) / 2 for together, _ in ranked):
            telling[place] = [selection for _, selection in ranked]
    return telling if len(telling) >= FEWEST_NARROWED else {}


def _most_telling(
    criterion: Criterion, crowd: Mapping[tuple[str, TraitValue], int]
) -> tuple[int, Selection]:
    """The demand by which the fewest criteria are found, and how many those are."""
    return min(
        (
            (sum(crowd[trait, value] for value in values), Selection(trait, values))
            for trait, values in criterion.required.items()
        ),
        key=itemgetter(0),
    )


def _is_narrowed(candidate: Candidate[Any]) -> bool:
    """Whether each of its criteria demands constants, and nobody wants to see what fails them."""
    return not candidate.trigger.debug_level and all(
        criterion.required for criterion in candidate.criteria
    )
