"""All triggers of a process, and which of them an event matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from winchester_core.triggers.grouping import GroupCache, GroupingError
from winchester_core.triggers.index import TriggerIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.index import Candidate


class Match(NamedTuple):
    """An event belongs to the stream of `group` of `definition`."""

    definition: TriggerDefinition
    group: Group


_new = tuple.__new__
"""Makes a `Match` in half the time that calling it takes."""


class MatchObserver(Protocol):
    """Told what became of an event at a trigger whose `debug_level` is not 0."""

    def matched(self, definition: TriggerDefinition) -> None:
        """The event matched."""

    def mismatched(self, definition: TriggerDefinition, reason: str) -> None:
        """The event did not match; at `debug_level` 2 `reason` says why in words."""


class TriggerSet:
    """An immutable set of triggers, in order. Safe to share between threads.

    `observer` is told what becomes of events at those whose `debug_level` is not 0.
    """

    def __init__(
        self, definitions: Iterable[TriggerDefinition], observer: MatchObserver | None = None
    ) -> None:
        self._observer = observer
        self.by_name: Mapping[str, TriggerDefinition] = {each.name: each for each in definitions}
        self._index = TriggerIndex(tuple(self.by_name.values()))
        self._known_groups = GroupCache()

    def match(self, event: Mapping[str, Any]) -> list[Match]:
        """Every stream that `event` belongs to: at most one for each trigger, in their order."""
        matches = []
        for candidate in self._index.candidates_for(event):
            found = self._match(candidate, event)
            if isinstance(found, Match):
                matches.append(found)
            if candidate.trigger.debug_level and self._observer is not None:
                _notify_observer(self._observer, candidate, event, found)
        return matches

    def _match(
        self, candidate: Candidate[TriggerDefinition], event: Mapping[str, Any]
    ) -> Match | str | None:
        """The match; or why the event has no group; or None when no criterion is satisfied.

        The first criterion that is satisfied decides.
        """
        for criterion in candidate.criteria:
            if criterion.matches_traits(event):
                definition = candidate.trigger
                try:
                    trait_mapping = criterion.map_distinguished_by
                    group = self._known_groups.group_of(definition.grouping, event, trait_mapping)
                    return _new(Match, (definition, group))
                except GroupingError as reason:
                    return str(reason)
        return None


def _notify_observer(
    observer: MatchObserver,
    candidate: Candidate[TriggerDefinition],
    event: Mapping[str, Any],
    found: Match | str | None,
) -> None:
    definition = candidate.trigger
    if isinstance(found, Match):
        observer.matched(definition)
    elif found is not None:
        observer.mismatched(definition, found)
    elif definition.debug_level > 1:
        reasons = [criterion.explain(event).reason for criterion in candidate.criteria]
        observer.mismatched(definition, "; ".join(reasons))
    else:
        observer.mismatched(definition, "no match criterion is satisfied")
