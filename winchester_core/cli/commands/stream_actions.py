"""``winchester stream reset|discard|purge``: reset failed streams, delete streams."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.bulk_command import FAILED_OUTCOME, BulkCommand
from winchester_core.cli.commands.stream import (
    BY_AGE,
    BY_ERROR,
    BY_NAME,
    BY_UNKNOWN_TRIGGER,
    STREAMS,
)
from winchester_core.cli.listing import Filter
from winchester_core.cli.options import Argument, Flag
from winchester_core.model.stream import (
    REASON_STATES,
    WAITING_STATES,
    StreamState,
    require_failed,
)
from winchester_core.storage.records import StreamVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from winchester_core.cli.bulk_command import BulkResult
    from winchester_core.cli.session import StoreSession
    from winchester_core.model.stream import StreamRecord


ERROR_STATES: Final = {states.failed.value: states.failed for states in REASON_STATES}
FILTERS: Final = (
    BY_NAME,
    Filter(
        "--state",
        "only streams in this state, one of %(choices)s",
        field="states",
        parse=lambda _session, state: (ERROR_STATES[state],),
        choices=list(ERROR_STATES),
    ),
    BY_ERROR,
    *BY_AGE,
)
SKIPPED: Final = "skipped"
CHANGED: Final = "it has changed meanwhile"


class ErrorStreamCommand(BulkCommand):
    """Apply one action to streams in error: to single ids, or with ``--all`` to whole pages.

    The store's method changes the given versions that are still current in one transaction, and
    returns their ids.
    """

    plural = "streams"
    selected_noun = "streams in error"
    records = replace(STREAMS, page_size=100)  # each has an error of up to 16 KiB
    selected: Mapping[str, Any] = {"states": tuple(ERROR_STATES.values())}
    filters: tuple[Filter, ...] = FILTERS
    arguments: tuple[Argument, ...] = (
        Flag("--all", "all streams in error, instead of ids"),
        *FILTERS,
        Flag("--dry-run", "show what would be done, and change nothing"),
    )

    def outcome_of(self, stream: StreamRecord) -> str:
        """Return the outcome for a selected stream."""
        del stream
        return self.outcome

    def apply(self, session: StoreSession, versions: Sequence[StreamVersion]) -> Collection[int]:
        """Apply the action to the unchanged streams; return their ids."""
        changed: Collection[int] = getattr(session.store, self.method)(versions)
        return changed

    def results(self, session: StoreSession) -> Iterator[BulkResult]:
        """Apply the action to the selected streams; yield the results."""
        if not session.args.all:
            yield from super().results(session)
            return
        counts: Counter[bool] = Counter()
        for page in self.selected_pages(session):
            for item_id, outcome, reason in self._results_of(page, session):
                counts[outcome == SKIPPED] += 1
                yield item_id, outcome, reason
        would = "would be " if session.args.dry_run else ""
        skipped = f", {counts[True]} skipped" if counts[True] else ""
        print(f"streams {would}{self.outcome}: {counts[False]}{skipped}", file=sys.stderr)

    def process(self, session: StoreSession, item_id: int) -> tuple[str, str | None]:
        """Apply the action to one stream. Raises `UnknownStream`, `IllegalTransition`."""
        stream = session.store.get_stream_by_id(item_id)
        require_failed(stream.state, self.outcome)
        ((_, outcome, reason),) = self._results_of([stream], session)
        return (FAILED_OUTCOME if outcome == SKIPPED else outcome), reason

    def _results_of(
        self, streams: Sequence[StreamRecord], session: StoreSession
    ) -> Iterator[BulkResult]:
        """Apply the action to `streams`, or with ``--dry-run`` yield the expected results."""
        versions = [StreamVersion(each.id, each.state_serial_no) for each in streams]
        is_trial = session.args.dry_run
        changed = () if is_trial else self.apply(session, versions)
        for stream in streams:
            if is_trial or stream.id in changed:
                yield stream.id, self.outcome_of(stream), None
            else:
                yield stream.id, SKIPPED, CHANGED


class StreamReset(ErrorStreamCommand):
    """Reset streams in error, to be processed again.

    The failures of each stream are counted from zero again, and a worker claims it at once; the
    numbers of its attempts continue. The outcome is the new state, retry_fire or retry_expire. If a
    stream is not in error, it is not changed, and the exit status is 1.

    --all selects all streams in error, or the streams in error that match the filters. To see them
    first, use --dry-run, or 'winchester stream list' with the same filters. If a stream has changed
    since it was read, it is skipped. The number of reset streams is printed on standard error.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        'winchester stream reset -c winchester.yaml --all --error "disk is full" --dry-run',
        "winchester stream reset -c winchester.yaml --all --name usage --younger-than 12h",
    )
    method, outcome = "reset_streams", "reset"

    def outcome_of(self, stream: StreamRecord) -> str:
        """Return the state after the reset."""
        return require_failed(stream.state, self.outcome).retry.value


class StreamDiscard(ErrorStreamCommand):
    """Delete streams in error.

    They are deleted permanently, with their links to events; the events are kept. If a stream is
    not in error, it is not changed, and the exit status is 1; 'winchester stream purge' deletes
    streams in any state.

    --all selects all streams in error, or the streams in error that match the filters. --unknown
    selects the streams of triggers that are not configured, in error or waiting for a worker. To
    see them first, use --dry-run, or 'winchester stream list' with the same filters. If a stream
    has changed since it was read, it is skipped. The number of discarded streams is printed on
    standard error.
    """

    examples = (
        "winchester stream discard -c winchester.yaml 12 13",
        "winchester stream discard -c winchester.yaml --all --older-than 30d --dry-run",
        "winchester stream discard -c winchester.yaml --all --state expire_error --name usage",
        "winchester stream discard -c winchester.yaml --all --unknown --older-than 30d",
    )
    method, outcome = "discard_streams", "discarded"
    filters = (*FILTERS, BY_UNKNOWN_TRIGGER)
    arguments: tuple[Argument, ...] = (BY_UNKNOWN_TRIGGER,)

    def selected_pages(self, session: StoreSession) -> Iterator[list[StreamRecord]]:
        """Yield the streams in error. With ``--unknown``, also yield waiting streams."""
        selected = {**self.selected, "states": _discarded_states(session)}
        selection = self.records.selection(session, self.filters, **selected)
        return self.records.pages(session, selection)

    def apply(self, session: StoreSession, versions: Sequence[StreamVersion]) -> Collection[int]:
        """Discard the unchanged streams; return their ids."""
        return session.store.discard_streams(versions, _discarded_states(session))


def _discarded_states(session: StoreSession) -> tuple[StreamState, ...]:
    in_error = tuple(ERROR_STATES.values())
    return (*WAITING_STATES, *in_error) if session.args.unknown_to else in_error


class StreamPurge(BulkCommand):
    """Delete streams in any state.

    A stream is deleted permanently, with its links to events; the events are kept. If a worker is
    processing the stream, it is not changed, and the exit status is 1.
    """

    examples = (
        "winchester stream purge -c winchester.yaml 12 13",
        (
            "winchester stream list -c winchester.yaml --state completed -f value --column id "
            "| xargs winchester stream purge -c winchester.yaml"
        ),
    )
    plural = "streams"
    method, outcome = "purge_stream", "purged"
