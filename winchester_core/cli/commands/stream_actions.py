"""``winchester stream reset|discard|purge``: reset failed streams, delete streams."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.bulk import FAILED_OUTCOME, StoreAction
from winchester_core.cli.commands.stream import BY_AGE, BY_ERROR, BY_NAME, STREAMS
from winchester_core.cli.listing import Filter
from winchester_core.cli.options import Flag
from winchester_core.errors import IllegalTransition
from winchester_core.model.stream import REASON_STATES, ReasonStates, states_including
from winchester_core.storage.records import StreamVersion

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.cli.bulk import BulkResult
    from winchester_core.cli.session import StoreSession
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store


ERROR_STATES: Final = {states.failed.value: states.failed for states in REASON_STATES}
FILTERS: Final = (
    BY_NAME,
    Filter(
        "--state",
        None,
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


class ErrorStreamCommand(StoreAction):
    """Apply one action to streams in error: to single ids, or with ``--all`` to whole pages."""

    plural = "streams"
    selected_noun = "streams in error"
    records = replace(STREAMS, page_size=100)  # each has an error of up to 16 KiB
    selected: Mapping[str, Any] = {"states": tuple(ERROR_STATES.values())}
    filters = FILTERS
    arguments = (
        Flag("--all", "all streams in error, instead of ids"),
        *FILTERS,
        Flag("--dry-run", "show what would be done, and change nothing"),
    )

    @abstractmethod
    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the outcome that the action will have for a stream in error."""

    @abstractmethod
    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Apply the action to the unchanged streams in one transaction; return their outcomes."""

    def results(self, resource: StoreSession, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Apply the action to the selected streams; yield the results."""
        if not parsed_args.all:
            yield from super().results(resource, parsed_args)
            return
        counts: Counter[bool] = Counter()
        for page in self.pages(resource):
            for item_id, outcome, reason in self._results_of(page, resource, parsed_args):
                counts[outcome == SKIPPED] += 1
                yield item_id, outcome, reason
        would = "would be " if parsed_args.dry_run else ""
        skipped = f", {counts[True]} skipped" if counts[True] else ""
        print(f"streams {would}{self.outcome}: {counts[False]}{skipped}", file=sys.stderr)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Apply the action to one stream. Raises `UnknownStream`, `IllegalTransition`."""
        stream = resource.store.get_stream_by_id(item_id)
        self.require_failed(stream)
        ((_, outcome, reason),) = self._results_of([stream], resource, parsed_args)
        return (FAILED_OUTCOME if outcome == SKIPPED else outcome), reason

    def require_failed(self, stream: StreamRecord) -> ReasonStates:
        """Return the state of a stream. Raises `IllegalTransition` if it is not in error."""
        states = states_including(stream.state)
        if states is None or stream.state is not states.failed:
            target = f"{self.outcome}: only a stream in error can be {self.outcome}"
            raise IllegalTransition(stream.state, target)
        return states

    def _results_of(
        self, streams: Sequence[StreamRecord], resource: StoreSession, parsed_args: Namespace
    ) -> Iterator[BulkResult]:
        """Apply the action to `streams`, or with ``--dry-run`` yield the expected results."""
        if parsed_args.dry_run:
            yield from ((each.id, self.expected_outcome(each), None) for each in streams)
            return
        versions = [StreamVersion(each.id, each.state_serial_no) for each in streams]
        outcomes = self.apply(resource.store, versions)
        for stream in streams:
            outcome = outcomes.get(stream.id)
            if outcome is None:
                yield stream.id, SKIPPED, CHANGED
            else:
                yield stream.id, outcome, None


class StreamReset(ErrorStreamCommand):
    """Reset streams in error, to be processed again.

    The attempts of each stream are counted from zero again, and a worker claims it at once. The
    outcome is the new state, retry_fire or retry_expire. If a stream is not in error, it is not
    changed, and the exit status is 1.

    --all selects all streams in error, or the streams in error that match the filters. To see them
    first, use --dry-run, or 'winchester stream list' with the same filters. If a stream has changed
    since it was read, it is skipped. The number of reset streams is printed on standard error.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        'winchester stream reset -c winchester.yaml --all --error "disk is full" --dry-run',
        "winchester stream reset -c winchester.yaml --all --name usage --younger-than 12h",
    )
    outcome = "reset"

    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the state after the reset."""
        return self.require_failed(stream).retry.value

    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Reset the unchanged streams; return their new states."""
        states = store.reset_streams(versions)
        return {stream_id: state.value for stream_id, state in states.items()}


class StreamDiscard(ErrorStreamCommand):
    """Delete streams in error.

    They are deleted permanently, with their links to events; the events are kept. If a stream is
    not in error, it is not changed, and the exit status is 1; 'winchester stream purge' deletes
    streams in any state.

    --all selects all streams in error, or the streams in error that match the filters. To see them
    first, use --dry-run, or 'winchester stream list' with the same filters. If a stream has changed
    since it was read, it is skipped. The number of discarded streams is printed on standard error.
    """

    examples = (
        "winchester stream discard -c winchester.yaml 12 13",
        "winchester stream discard -c winchester.yaml --all --older-than 30d --dry-run",
        "winchester stream discard -c winchester.yaml --all --state expire_error --name usage",
    )
    outcome = "discarded"

    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the outcome, which is the same for every stream."""
        del stream
        return self.outcome

    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Delete the unchanged streams."""
        return dict.fromkeys(store.discard_streams(versions), self.outcome)


class StreamPurge(StoreAction):
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
