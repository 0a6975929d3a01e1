"""Matching of events with the set of all triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from winchester_core.criteria import MatchRole
from winchester_core.triggers.grouping import GroupCache, GroupingError
from winchester_core.triggers.index import TriggerIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.index import Candidate


class Match(NamedTuple):
    """A trigger that an event matches, the group of its stream, and its effect on the stream."""

    definition: TriggerDefinition
    group: Group
    role: MatchRole = MatchRole.OPENS


_new_tuple = tuple.__new__
"""Creates a `Match` in half the time of its constructor."""


class MatchObserver(Protocol):
    """Receives the results for triggers with a `debug_level` above 0."""

    def matched(self, definition: TriggerDefinition) -> None:
        """Record a match."""

    def mismatched(self, definition: TriggerDefinition, reason: str) -> None:
        """Record a mismatch. With `debug_level` 2, `reason` explains it."""


class TriggerSet:
    """An immutable set of triggers, in order. Thread-safe."""

    def __init__(
        self, definitions: Iterable[TriggerDefinition], observer: MatchObserver | None = None
    ) -> None:
        self._observer = observer
        self.by_name: Mapping[str, TriggerDefinition] = {each.name: each for each in definitions}
        self._index = TriggerIndex(tuple(self.by_name.values()))
        self._group_cache = GroupCache()

    def match(self, event: Mapping[str, Any]) -> list[Match]:
        """Return the matches of `event` in order, at most one for each trigger."""
        matches = []
        for candidate in self._index.candidates_for(event):
            result = self._match(candidate, event)
            if isinstance(result, Match):
                matches.append(result)
            if candidate.trigger.debug_level and self._observer is not None:
                _notify_observer(self._observer, candidate, event, result)
        return matches

    def _match(
        self, candidate: Candidate[TriggerDefinition], event: Mapping[str, Any]
    ) -> Match | str | None:
        """Return the match of the first criterion that matches, or None if none matches.

        If the event has no group, return the reason as text.
        """
        for criterion in candidate.criteria:
            if criterion.matches_traits(event):
                definition = candidate.trigger
                try:
                    trait_mapping = criterion.map_distinguished_by
                    group = self._group_cache.group_of(definition.grouping, event, trait_mapping)
                    return _new_tuple(Match, (definition, group, criterion.role))
                except GroupingError as reason:
                    return str(reason)
        return None


def _notify_observer(
    observer: MatchObserver,
    candidate: Candidate[TriggerDefinition],
    event: Mapping[str, Any],
    result: Match | str | None,
) -> None:
    definition = candidate.trigger
    if isinstance(result, Match):
        observer.matched(definition)
    elif result is not None:
        observer.mismatched(definition, result)
    elif definition.debug_level > 1:
        reasons = [criterion.explain(event).reason for criterion in candidate.criteria]
        observer.mismatched(definition, "; ".join(reasons))
    else:
        observer.mismatched(definition, "no match criterion is satisfied")
