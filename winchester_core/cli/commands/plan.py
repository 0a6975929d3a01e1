"""``winchester plan``: what a change of triggers does to the streams that are open."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import FlatLister, check_columns, column_value, one_line
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession
from winchester_core.cli.values import iso_text, to_json_value
from winchester_core.model.stream import StreamState
from winchester_core.service.exit import UsageError
from winchester_core.storage.records import StreamFilter
from winchester_core.suggestions import suggestion
from winchester_core.triggers.definition import ChangeKind, TriggerChange, compare_triggers
from winchester_core.triggers.progress import (
    RecalculationEffect,
    StreamProgress,
    preview_recalculation,
)
from winchester_core.worker.batch import memory_batches

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import RecalculationPreview


COLUMNS: Final = (
    "trigger",
    "change",
    "open_streams",
    "recounted",
    "fires_at_once",
    "fires_later",
    "expires_at_once",
    "expires_earlier",
    "expires_later",
    "consequences",
)
STREAM_COLUMNS: Final = (
    "id",
    "trigger",
    "distinguished_by",
    "effect",
    "progress",
    "new_progress",
    "fire_timestamp",
    "new_fire_timestamp",
    "expire_timestamp",
    "new_expire_timestamp",
    "consequences",
)


class PlanCommand(FlatLister):
    """Show what a change of triggers does to open streams.

    The configuration of -c is the new one. With --against, it is compared with the one in force,
    and each trigger is listed that was added, removed or changed, with the keys in which it has
    changed. Without, the new triggers are compared with the open streams: whether they were
    counted by the same fire criteria and expiration, and distinguished by the same traits.

    For each such trigger: how many streams are open, and how many of them will be counted anew
    from their events. Of these, how many fire at once, or later since there is a fire_delay; how
    many expire at once; and how many of the others expire earlier or later than they would have.
    Consequences say what becomes of all its open streams besides. With --list, each stream that is
    affected, with its progress and its times before and after.

    Nothing is changed. Streams go on meanwhile, so that the numbers are those of this moment. Times
    are stream time.
    """

    examples = (
        "winchester plan -c winchester.yaml --against old/winchester.yaml",
        "winchester plan -c winchester.yaml -f json",
        "winchester plan -c winchester.yaml --trigger usage --list",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--against``, ``--trigger`` and ``--list``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--against", metavar="FILE", help="the configuration in force, to compare triggers with"
        )
        parser.add_argument(
            "--trigger",
            metavar="NAME",
            action="append",
            default=[],
            help="only this trigger. Repeated: all of them",
        )
        parser.add_argument(
            "--list", action="store_true", help="list each open stream that is affected"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """The triggers that change, or the streams that are affected."""
        columns = STREAM_COLUMNS if parsed_args.list else COLUMNS
        asked = check_columns(parsed_args.columns, columns)
        objects = self._objects(parsed_args)
        first = list(islice(objects, 1))  # whatever is wrong shows before any output
        return asked or columns, chain(first, objects)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of a change, with the keys that have changed."""
        value = column_value(each, column)
        if column == "change" and each["aspects"]:
            return f"{value} in {', '.join(each['aspects'])}"
        return one_line("; ".join(value) if column == "consequences" else value)

    def _objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        against = None
        if parsed_args.against is not None:
            against = load_configuration(
                Namespace(config=parsed_args.against), ignores=ALL_BUT_TRIGGERS
            )
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            survey = PlanAnalysis(session, against)
            _check_names(parsed_args.trigger, survey.known_names())
            for change in survey.changes(parsed_args.trigger):
                if parsed_args.list:
                    yield from map(_stream_row, survey.affected(change))
                elif (tally := survey.tally(change)) is not None:
                    yield _trigger_row(tally)


def _check_names(asked: Sequence[str], known: set[str]) -> None:
    for name in asked:
        if name not in known:
            hint = suggestion(name, sorted(known), "there are")
            raise UsageError(f"no trigger is named {name!r}; {hint}")


def _trigger_row(tally: TriggerImpact) -> dict[str, Any]:
    effects = tally.effects
    return {
        "trigger": tally.change.name,
        "change": tally.change.kind.value,
        "aspects": list(tally.change.changed_keys),
        "open_streams": tally.open_streams,
        "recounted": tally.recounted,
        "fires_at_once": effects[RecalculationEffect.FIRES_AT_ONCE],
        "fires_later": effects[RecalculationEffect.FIRES_LATER],
        "expires_at_once": effects[RecalculationEffect.EXPIRES_AT_ONCE],
        "expires_earlier": effects[RecalculationEffect.EXPIRES_EARLIER],
        "expires_later": effects[RecalculationEffect.EXPIRES_LATER],
        "consequences": list(tally.consequences),
    }


def _stream_row(affected: AffectedStream) -> dict[str, Any]:
    stream, recounting = affected.stream, affected.recounting
    after = recounting.after if recounting is not None else None
    return {
        "id": stream.id,
        "trigger": stream.name,
        "distinguished_by": to_json_value(stream.distinguished_by),
        "effect": recounting.effect.value if recounting is not None else None,
        "progress": list(stream.progress),
        "new_progress": None if after is None else list(after.counts),
        "fire_timestamp": iso_text(stream.fire_timestamp),
        "new_fire_timestamp": None if after is None else iso_text(after.fire_timestamp),
        "expire_timestamp": iso_text(stream.expire_timestamp),
        "new_expire_timestamp": None if after is None else iso_text(after.expire_timestamp),
        "consequences": list(affected.consequences),
    }


# Looking through open streams for what other triggers would do to them; nothing is written.


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
class AffectedStream:
    """An open stream that the change does something to; `recounting` where it is counted anew."""

    stream: StreamRecord
    recounting: RecalculationPreview | None
    consequences: tuple[str, ...]


@dataclass(slots=True)
class TriggerImpact:
    """What a change does to the open streams of one trigger."""

    change: TriggerChange
    open_streams: int = 0
    recounted: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    consequences: tuple[str, ...] = ()

    def add(self, affected: AffectedStream) -> None:
        """Count one of them."""
        self.consequences = tuple(dict.fromkeys((*self.consequences, *affected.consequences)))
        if affected.recounting is not None:
            self.recounted += 1
            self.effects[affected.recounting.effect] += 1


class PlanAnalysis:
    """The open streams of a database under the triggers of the session's configuration.

    They are compared with the triggers of `against`; without one, with the rules by which the
    streams themselves were counted and grouped. Read in pages, each as it is at that moment.
    """

    def __init__(self, session: StoreSession, against: Settings | None) -> None:
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

    def tally(self, change: TriggerChange) -> TriggerImpact | None:
        """What the change does; None where it turns out to be none."""
        tally = TriggerImpact(
            change, open_streams=self._session.store.count_streams(_open(change.name))
        )
        aspects: set[str] = set()
        for affected in self.affected(change):
            tally.add(affected)
            aspects.update(self._own_aspects(affected.stream))
        if change.changed_keys or change.kind is not ChangeKind.CHANGED:
            return tally
        tally.change = TriggerChange(change.name, change.kind, tuple(sorted(aspects)))
        return tally if aspects else None

    def affected(self, change: TriggerChange) -> Iterator[AffectedStream]:
        """The open streams of the change's trigger that it does something to, by id."""
        definition = self._definitions.get(change.name)
        for page in self._session.pages(self._session.store.find_streams, _open(change.name), None):
            if definition is None:
                yield from (AffectedStream(each, None, (NO_TRIGGER,)) for each in page)
                continue
            for portion in memory_batches(page):
                yield from self._affected_of(portion, definition, change)

    def _affected_of(
        self, streams: Sequence[StreamRecord], definition: TriggerDefinition, change: TriggerChange
    ) -> Iterator[AffectedStream]:
        stale = [each.id for each in streams if each.fingerprint != definition.fingerprint]
        events = self._session.store.events_of(stale) if stale else {}
        for stream in streams:
            aspects = change.changed_keys or self._own_aspects(stream)
            words = tuple(CONSEQUENCES[each] for each in aspects if each in CONSEQUENCES)
            recounting = None
            if stream.id in events and self._now is not None:
                facts = _progress(stream)
                recounting = preview_recalculation(definition, facts, events[stream.id], self._now)
            if recounting is not None or words:
                yield AffectedStream(stream, recounting, words)

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


def _progress(stream: StreamRecord) -> StreamProgress:
    return StreamProgress(
        first_event=stream.first_event,
        last_event=stream.last_event,
        expire_timestamp=stream.expire_timestamp,
        fire_timestamp=stream.fire_timestamp,
        event_count=stream.event_count,
        counts=list(stream.progress),
        fingerprint=stream.fingerprint,
    )
