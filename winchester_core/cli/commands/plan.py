"""``winchester plan``: effects of changed triggers on open streams."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from winchester_core.cli.options import Argument, Flag, Repeated, load_configuration
from winchester_core.cli.output import FlatLister, column_key, one_line
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, load_triggers
from winchester_core.inspection.group_silence import find_silence
from winchester_core.inspection.values import iso_text, to_json_value
from winchester_core.model.stream import StreamState
from winchester_core.service.exit import UsageError
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.paging import memory_batches, pages
from winchester_core.suggestions import suggestion
from winchester_core.triggers.definition import ChangeKind, TriggerChange, compare_triggers
from winchester_core.triggers.details import shown_progress
from winchester_core.triggers.progress_explanation import progress_of
from winchester_core.triggers.recalculation import (
    RecalculationEffect,
    preview_recalculation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.config import Part, Settings
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import StreamProgress
    from winchester_core.triggers.recalculation import RecalculationPreview


EFFECT_COLUMNS: Final = "fires_at_once fires_later expires_at_once expires_earlier expires_later"
COLUMNS: Final = f"trigger change open_streams recalculated {EFFECT_COLUMNS} consequences"
STREAM_COLUMNS: Final = (
    "id trigger distinguished_by effect progress new_progress fire_timestamp new_fire_timestamp "
    "expire_timestamp new_expire_timestamp consequences"
)

TRIGGERS: Final[tuple[Part, ...]] = ("triggers",)


class PlanCommand(FlatLister):
    """Show the effects of changed triggers on open streams.

    -c is the new configuration. With --against, it is compared with the current configuration, and
    each trigger that was added, removed or changed is listed with its changed keys. Without
    --against, the new triggers are compared with the open streams: a trigger has changed if its
    streams were calculated with other fire criteria, another fire_order, fire_within, expiration or
    timezone, or other match criteria with 'opens: false', or grouped by other distinguishing
    traits.

    For each changed trigger, shows the number of open streams, and how many of them will be
    recalculated from their events: how many fire at once, how many fire later because of a
    fire_delay, how many expire at once, and how many of the others expire earlier or later than
    before. The column consequences lists other effects on all open streams of the trigger. With
    --list, each affected stream is shown with its progress and its times before and after the
    change. A change of cancel_criteria, lateness, suppress or keep applies to later events and
    recalculates nothing. A stream whose group is silent is listed with its effect and with the
    consequence that it does not fire.

    Nothing is changed. Streams continue to be processed, so the numbers are a snapshot. Times are
    stream time.
    """

    examples = (
        "winchester plan -c winchester.yaml --against old/winchester.yaml",
        "winchester plan -c winchester.yaml -f json",
        "winchester plan -c winchester.yaml --trigger usage --list",
    )
    arguments = (
        Argument("--against FILE", "the current configuration, to compare triggers with"),
        Repeated("--trigger NAME", "only this trigger. Repeatable"),
        Flag("--list", "list each affected open stream"),
    )

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the columns of triggers, or with ``--list`` those of streams."""
        columns = (STREAM_COLUMNS if parsed_args.list else COLUMNS).split()
        return columns, columns

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; a change with its changed keys."""
        value, key = self.value(each, column), column_key(column)
        if key == "change" and each["aspects"]:
            return f"{value} in {', '.join(each['aspects'])}"
        return one_line("; ".join(value) if key == "consequences" else value)

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Yield the changed triggers, or the affected streams."""
        against = None
        if parsed_args.against is not None:
            args = Namespace(config=parsed_args.against)
            against = load_configuration(args, needs=TRIGGERS, ignores=ALL_BUT_TRIGGERS)
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            analysis = PlanAnalysis(session, against)
            names = parsed_args.trigger
            for name in names:
                if name not in analysis.known_names:
                    hint = suggestion(name, sorted(analysis.known_names), "there are")
                    raise UsageError(f"no trigger is named {name!r}; {hint}")
            for change in analysis.changes:
                if names and change.name not in names:
                    continue
                if parsed_args.list:
                    yield from map(_stream_row, analysis.affected_streams(change))
                elif (row := analysis.trigger_row(change)) is not None:
                    yield row


def _stream_row(affected: AffectedStream) -> dict[str, Any]:
    stream, preview, consequences = affected
    after = None if preview is None else preview.after
    return {
        "id": stream.id,
        "trigger": stream.name,
        "distinguished_by": to_json_value(stream.distinguished_by),
        "effect": None if preview is None else preview.effect.value,
        "progress": list(stream.progress),
        "new_progress": None if after is None else list(_numbers(after)),
        "fire_timestamp": iso_text(stream.fire_timestamp),
        "new_fire_timestamp": None if after is None else iso_text(after.fire_timestamp),
        "expire_timestamp": iso_text(stream.expire_timestamp),
        "new_expire_timestamp": None if after is None else iso_text(after.expire_timestamp),
        "consequences": list(consequences),
    }


def _numbers(progress: StreamProgress) -> Sequence[float]:
    return progress.counts if progress.details is None else shown_progress(progress.details)


# Analysis of open streams under changed triggers; nothing is written.


TIME_GROUPS: Final = "timezone with a time expression in distinguished_by"
CONSEQUENCES: Final[Mapping[str, str]] = {
    "distinguished_by": "receive no more events, which now go to other groups",
    "match_criteria": "keep their events; the new criteria apply to further events",
    "cancel_criteria": "are cancelled by further events that satisfy the new criteria; their "
    "events are not evaluated again",
    "lateness": "keep the times until which their events wait; further events wait for "
    "the new time",
    "suppress": "are suppressed by the new time if they meet their criteria from now on; it also "
    "applies to silences that have begun",
    "keep": "count again with the new time from the next event on; events that have left them do "
    "not return",
    TIME_GROUPS: "receive further events only if these have the same time range in the new zone",
    "fire_delay": "wait for the new time once their criteria are met",
    "fire_pipeline": "go to the new pipeline when they fire",
    "expire_pipeline": "go to the new pipeline when they expire",
    "cancel_pipeline": "go to the new pipeline when they are cancelled",
}
"""Effect of a changed key on every open stream of the trigger, in addition to recalculation."""

NO_TRIGGER: Final = "end in error when they become due: no trigger has their name"


SUPPRESSED: Final = "do not fire although they meet their criteria: their groups are silent"


class AffectedStream(NamedTuple):
    """An open stream that the change affects; `preview` is None unless it is recalculated."""

    stream: StreamRecord
    preview: RecalculationPreview | None
    consequences: tuple[str, ...]


class PlanAnalysis:
    """Comparison of open streams with the triggers of the session's configuration.

    If `against` is given, changes are differences from that configuration. Otherwise they are
    differences from the rules by which the streams were calculated and grouped. Streams are read in
    pages, without a snapshot of the whole.
    """

    def __init__(self, session: StoreSession, against: Settings | None) -> None:
        self._session = session
        self._now = session.stream_time()
        self._definitions = load_triggers(session.settings)
        self.changes = (
            compare_triggers(against.trigger_definitions, session.settings.trigger_definitions)
            if against
            else self._from_streams()
        )
        self.known_names = {*self._definitions, *(each.name for each in self.changes)}

    def trigger_row(self, change: TriggerChange) -> dict[str, Any] | None:
        """Return the effects of the change; None if no stream differs from the trigger."""
        open_streams = self._session.store.count_streams(_open(change.name))
        effects: Counter[RecalculationEffect] = Counter()
        consequences: dict[str, None] = {}
        changed_keys: set[str] = set()
        for stream, preview, further in self.affected_streams(change):
            effects.update([] if preview is None else [preview.effect])
            consequences |= dict.fromkeys(further)
            changed_keys.update(self._changed_keys(stream))
        aspects = list(change.changed_keys)
        if not aspects and change.kind is ChangeKind.CHANGED:
            if not changed_keys:
                return None
            aspects = sorted(changed_keys)
        return {
            "trigger": change.name,
            "change": change.kind.value,
            "aspects": aspects,
            "open_streams": open_streams,
            "recalculated": effects.total(),
            **{key: effects[RecalculationEffect[key.upper()]] for key in EFFECT_COLUMNS.split()},
            "consequences": list(consequences),
        }

    def affected_streams(self, change: TriggerChange) -> Iterator[AffectedStream]:
        """Yield the open streams that the change affects, by id."""
        definition = self._definitions.get(change.name)
        for page in pages(self._session.store.find_streams, _open(change.name)):
            if definition is None:
                yield from (AffectedStream(each, None, (NO_TRIGGER,)) for each in page)
                continue
            for batch in memory_batches(page):
                yield from self._affected_in_batch(batch, definition, change)

    def _affected_in_batch(
        self, streams: Sequence[StreamRecord], definition: TriggerDefinition, change: TriggerChange
    ) -> Iterator[AffectedStream]:
        stale = [each.id for each in streams if each.fingerprint != definition.fingerprint]
        events = self._session.store.events_of(stale) if stale else {}
        for stream in streams:
            keys = change.changed_keys or self._changed_keys(stream)
            if "timezone" in keys and any(each.expression for each in definition.grouping.traits):
                keys = (*keys, TIME_GROUPS)
            consequences = tuple(CONSEQUENCES[key] for key in keys if key in CONSEQUENCES)
            preview = None
            if stream.id in events and self._now is not None:
                progress = progress_of(stream)
                preview = preview_recalculation(
                    definition, progress, events[stream.id], self._now, stream.decision
                )
                if self._is_suppressed(definition, stream, preview):
                    consequences = (*consequences, SUPPRESSED)
            if preview is not None or consequences:
                yield AffectedStream(stream, preview, consequences)

    def _is_suppressed(
        self, definition: TriggerDefinition, stream: StreamRecord, preview: RecalculationPreview
    ) -> bool:
        """Return whether the recalculation meets the criteria while the group is silent."""
        if preview.before.fire_timestamp is not None or preview.after.fire_timestamp is None:
            return False
        silence = find_silence(self._session.store, definition, stream)
        return silence is not None and not silence.is_over(self._now)

    def _changed_keys(self, stream: StreamRecord) -> tuple[str, ...]:
        """Return the keys of the trigger that have changed since the stream was calculated."""
        definition = self._definitions.get(stream.name)
        if definition is None:
            return ()
        names = {trait.name for trait in definition.grouping.traits}
        keys = ["distinguished_by"] if names != stream.distinguished_by.keys() else []
        if stream.fingerprint != definition.fingerprint:
            keys.append("fire_criteria, expiration or other keys of progress")
        return tuple(keys)

    def _from_streams(self) -> list[TriggerChange]:
        stored = self._session.store.count_states_by_trigger()
        active = {name for name, states in stored.items() if StreamState.ACTIVE in states}
        configured = [name for name in self._definitions if name in active]
        removed = sorted(active.difference(self._definitions))
        return [
            *(TriggerChange(name, ChangeKind.CHANGED) for name in configured),
            *(TriggerChange(name, ChangeKind.REMOVED) for name in removed),
        ]


def _open(name: str) -> StreamFilter:
    return StreamFilter(name=name, states=(StreamState.ACTIVE,), is_open=True)
