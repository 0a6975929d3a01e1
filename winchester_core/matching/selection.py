"""Which values a trait must have to meet a demand, where they can be counted: what to look up.

An index of criteria goes by them. It finds values as a dict does, by Python's equality, under
which 1, 1.0 and True are one: more than typed equality takes, and never less. Whatever it finds
is still judged by the criterion itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.interfaces import Condition
    from winchester_core.matching.demands import Demand
    from winchester_core.model.event import TraitValue

MAX_VALUES = 100
"""A demand that more values meet than these is not looked up: every event is tried on it."""


class Selection(NamedTuple):
    """A trait, and the only values of it that meet a demand."""

    trait: str
    values: frozenset[TraitValue]


@runtime_checkable
class Selective(Protocol):
    """A condition that can tell the only values of its trait that satisfy it."""

    trait: str

    def only_values(self) -> frozenset[TraitValue] | None:
        """They, or None where they cannot be counted. Goes with this class's own `matches`."""


def selection_of(condition: Condition) -> Selection | None:
    """What `condition` says of itself. A plugin need not say anything."""
    if not isinstance(condition, Selective) or not _is_of_one_piece(condition):
        return None
    values = condition.only_values()
    return None if values is None else Selection(condition.trait, values)


def united(selections: Iterable[Selection | None]) -> Selection | None:
    """The values of any of them, which are of one trait; None when one is not known."""
    known = []
    for each in selections:
        if each is None:
            return None
        known.append(each)
    return Selection(known[0].trait, frozenset().union(*(each.values for each in known)))


def required(demands: Iterable[Demand]) -> Mapping[str, frozenset[TraitValue]]:
    """The only values of each trait that meet all of `demands`, where they are known and few."""
    values: dict[str, frozenset[TraitValue]] = {}
    for demand in demands:
        selection = demand.selection()
        if selection is None or len(selection.values) > MAX_VALUES:
            continue
        trait = selection.trait
        values[trait] = values.get(trait, selection.values) & selection.values
    return values


def _is_of_one_piece(condition: Condition) -> bool:
    """Whether what judges and what tells the values are of one class.

    A subclass that judges anew, and has inherited what tells the values, is not to be believed.
    """
    if "matches" in getattr(condition, "__dict__", ()):
        return False
    for each in type(condition).__mro__:
        told, judges = "only_values" in vars(each), "matches" in vars(each)
        if told or judges:
            return told and judges
    return False
