"""Looking through open streams for what other triggers would do to them; nothing is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from winchester_core.model.stream import StreamState
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.definition import ChangeKind, TriggerChange, compare_triggers
from winchester_core.triggers.progress import StreamProgress, preview_recalculation
from winchester_core.worker.batch import memory_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.cli.session import Session
    from winchester_core.config import Settings
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import RecalculationPreview

CONSEQUENCES: Final[Mapping[str, str]] = {
    "distinguished_by": "take no more events, which go to other groups now",
    "match_criteria": "keep their events, and take others by the new criteria",
    "fire_delay": "wait for the new time once their criteria are met",
    "fire_pipeline": "go to the new pipeline when they fire",
    "expire_pipeline": "go to the new pipeline when they expire",
}
"""What a change in a key of its trigger does to every open stream, besides being counted anew."""

NO_TRIGGER: Final = "end in error when their time comes: no trigger has their name"


@dataclass(frozen=True, slots=True)
class Affected:
    """An open stream that the change does something to; `recounting` where it is counted anew."""

    stream: StreamRecord
    recounting: RecalculationPreview | None
    consequences: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What a change does to the open streams of one trigger."""

    change: TriggerChange
    open_streams: int = 0
    recounted: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    consequences: tuple[str, ...] = ()

    def add(self, affected: Affected) -> None:
        """Count one of them."""
        self.consequences = tuple(dict.fromkeys((*self.consequences, *affected.consequences)))
        if affected.recounting is not None:
            self.recounted += 1
            self.effects[affected.recounting.effect] += 1


class Survey:
    """The open streams of a database under the triggers of the session's configuration.

    They are compared with the triggers of `against`; without one, with the rules by which the
    streams themselves were counted and grouped. Read in pages, each as it is at that moment.
    """

    def __init__(self, session: Session, against: Settings | None) -> None:
        from winchester_core.bootstrap import trigger_definitions
        from winchester_core.plugins import CONDITIONS, PluginRegistry

        self._session = session
        self._now = session.stream_time()
        definitions = trigger_definitions(session.settings, PluginRegistry(CONDITIONS))
        self._definitions = {each.name: each for each in definitions}
        self._changes = self._from_files(against) if against else self._from_streams()

    def changes(self, names: Sequence[str]) -> list[TriggerChange]:
        """The triggers to look at: those that differ, or may; of these names, if there are any."""
        return [each for each in self._changes if not names or each.name in names]

    def known_names(self) -> set[str]:
        """Every name that a trigger has, or had."""
        return {*self._definitions, *(each.name for each in self._changes)}

    def tally(self, change: TriggerChange) -> Tally | None:
        """What the change does; None where it turns out to be none."""
        tally = Tally(change, open_streams=self._session.store.count_streams(_open(change.name)))
        aspects: set[str] = set()
        for affected in self.affected(change):
            tally.add(affected)
            aspects.update(self._own_aspects(affected.stream))
        if change.changed_keys or change.kind is not ChangeKind.CHANGED:
            return tally
        tally.change = TriggerChange(change.name, change.kind, tuple(sorted(aspects)))
        return tally if aspects else None

    def affected(self, change: TriggerChange) -> Iterator[Affected]:
        """The open streams of the change's trigger that it does something to, by id."""
        definition = self._definitions.get(change.name)
        for page in self._session.pages(self._session.store.find_streams, _open(change.name), None):
            if definition is None:
                yield from (Affected(each, None, (NO_TRIGGER,)) for each in page)
                continue
            for portion in memory_batches(page):
                yield from self._affected_of(portion, definition, change)

    def _affected_of(
        self, streams: Sequence[StreamRecord], definition: TriggerDefinition, change: TriggerChange
    ) -> Iterator[Affected]:
        stale = [each.id for each in streams if each.fingerprint != definition.fingerprint]
        events = self._session.store.events_of(stale) if stale else {}
        for stream in streams:
            aspects = change.changed_keys or self._own_aspects(stream)
            words = tuple(CONSEQUENCES[each] for each in aspects if each in CONSEQUENCES)
            recounting = None
            if stream.id in events and self._now is not None:
                facts = _facts(stream)
                recounting = preview_recalculation(definition, facts, events[stream.id], self._now)
            if recounting is not None or words:
                yield Affected(stream, recounting, words)

    def _own_aspects(self, stream: StreamRecord) -> tuple[str, ...]:
        """In what the rules by which a stream was counted and grouped are not the new ones."""
        definition = self._definitions.get(stream.name)
        if definition is None:
            return ()
        names = {trait.name for trait in definition.grouping.traits}
        return (
            *(("distinguished_by",) if names != stream.distinguished_by.keys() else ()),
            *(
                ("fire_criteria or expiration",)
                if stream.fingerprint != definition.fingerprint
                else ()
            ),
        )

    def _from_files(self, against: Settings) -> list[TriggerChange]:
        new = self._session.settings.trigger_definitions
        return compare_triggers(against.trigger_definitions, new)

    def _from_streams(self) -> list[TriggerChange]:
        stored = self._session.store.count_states_by_trigger()
        active = {name for name, states in stored.items() if StreamState.ACTIVE in states}
        known = [name for name in self._definitions if name in active]
        gone = sorted(active.difference(self._definitions))
        return [
            *(TriggerChange(name, ChangeKind.CHANGED) for name in known),
            *(TriggerChange(name, ChangeKind.REMOVED) for name in gone),
        ]


def _open(name: str) -> StreamFilter:
    return StreamFilter(name=name, states=(StreamState.ACTIVE,), is_open=True)


def _facts(stream: StreamRecord) -> StreamProgress:
    return StreamProgress(
        first_event=stream.first_event,
        last_event=stream.last_event,
        expire_timestamp=stream.expire_timestamp,
        fire_timestamp=stream.fire_timestamp,
        event_count=stream.event_count,
        counts=list(stream.progress),
        fingerprint=stream.fingerprint,
    )
