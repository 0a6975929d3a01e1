"""``winchester stream reset|discard|purge``: reset failed streams, delete streams."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Final

from winchester_core.cli.bulk import FAILED_OUTCOME, BulkCommand
from winchester_core.cli.session import StoreSession
from winchester_core.errors import IllegalTransition
from winchester_core.model.stream import REASON_STATES, ReasonStates, states_including
from winchester_core.service.exit import UsageError
from winchester_core.storage.records import StreamFilter, StreamVersion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.cli.bulk import BulkResult
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store


ERROR_PAGE_SIZE: Final = 100
"""Streams read at a time and changed in one transaction: each has an error of up to 16 KiB."""

ERROR_STATES: Final = {states.failed.value: states.failed for states in REASON_STATES}
FILTERS: Final = ("name", "state", "error", "older_than", "younger_than")
SKIPPED: Final = "skipped"
CHANGED: Final = "it has changed meanwhile"


class ErrorStreamCommand(BulkCommand[StoreSession]):
    """Apply one action to streams in error: one by one by id, or with ``--all`` in pages."""

    item_label = "the streams"
    ids_optional = True
    participle = ""
    """Past participle of the action, for messages."""

    @abstractmethod
    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the outcome that the action will have for a stream in error."""

    @abstractmethod
    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Apply the action to the unchanged streams in one transaction; return their outcomes."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--all``, the filters and ``--dry-run``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--all", action="store_true", help="every stream in error, instead of ids"
        )
        parser.add_argument("--name", metavar="TRIGGER", help="only streams of this trigger")
        parser.add_argument(
            "--state",
            choices=list(ERROR_STATES),
            help="only streams in this state, one of %(choices)s",
        )
        parser.add_argument(
            "--error",
            metavar="TEXT",
            help="only streams whose last error, including the traceback, contains this text",
        )
        parser.add_argument(
            "--older-than",
            metavar="WHEN",
            help="only streams whose first event is earlier than this: an ISO 8601 time (default "
            "offset: UTC), or a duration before now (stream time), such as 1d",
        )
        parser.add_argument(
            "--younger-than",
            metavar="WHEN",
            help="only streams whose first event is not earlier than this",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be done, and change nothing"
        )
        return parser

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session of the store."""
        _check_selection(parsed_args)
        return StoreSession(parsed_args)

    def results(self, resource: StoreSession, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Apply the action to the selected streams; yield the results."""
        if not parsed_args.all:
            yield from super().results(resource, parsed_args)
            return
        counts: Counter[str] = Counter()
        for page in resource.pages(
            resource.store.find_streams, _filter(resource), None, ERROR_PAGE_SIZE
        ):
            for item_id, outcome, reason in self._results_of(page, resource, parsed_args):
                counts[SKIPPED if outcome == SKIPPED else self.participle] += 1
                yield item_id, outcome, reason
        would = "would be " if parsed_args.dry_run else ""
        skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
        count = counts[self.participle]
        print(f"streams {would}{self.participle}: {count}{skipped}", file=sys.stderr)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Apply the action to one stream. Raises `UnknownStream`, `IllegalTransition`."""
        stream = resource.store.get_stream_by_id(item_id)
        self.require_failed(stream)
        ((_, outcome, reason),) = self._results_of([stream], resource, parsed_args)
        return (FAILED_OUTCOME if outcome == SKIPPED else outcome), reason

    def require_failed(self, stream: StreamRecord) -> ReasonStates:
        """Return the states of a stream in error. Raises `IllegalTransition` for any other."""
        states = states_including(stream.state)
        if states is None or stream.state is not states.failed:
            target = f"{self.participle}: only a stream in error can be {self.participle}"
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


def _check_selection(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless either ids or ``--all`` are given, and filters only with it."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("specify the ids of streams, or --all for all streams in error")
    filters = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if filters and not parsed_args.all:
        option = filters[0].replace("_", "-")
        raise UsageError(f"--{option} is a filter for --all: it cannot be used with ids")


def _filter(session: StoreSession) -> StreamFilter:
    args = session.args
    states = ERROR_STATES if args.state is None else [args.state]
    return StreamFilter(
        name=args.name,
        states=tuple(ERROR_STATES[state] for state in states),
        error_text=args.error,
        older_than=session.parse_time(args.older_than),
        younger_than=session.parse_time(args.younger_than),
    )


DISCARDED: Final = "discarded"


class StreamReset(ErrorStreamCommand):
    """Reset streams in error, to be processed again.

    The number of attempts of each starts over, and the next worker claims it. The outcome is the
    new state, retry_fire or retry_expire. A stream that is not in error is not changed; the exit
    status is then 1.

    --all selects every stream in error, or those that match the filters: 'winchester stream list'
    lists them with the same filters, and --dry-run shows the expected outcomes. A stream that has
    changed since it was read is skipped. The number of streams reset is printed on standard error.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        'winchester stream reset -c winchester.yaml --all --error "disk is full" --dry-run',
        "winchester stream reset -c winchester.yaml --all --name usage --younger-than 12h",
    )
    participle = "reset"

    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the state after the reset."""
        return self.require_failed(stream).retry.value

    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Reset the unchanged streams; return their new states."""
        states = store.reset_streams(versions)
        return {stream_id: state.value for stream_id, state in states.items()}


class StreamDiscard(ErrorStreamCommand):
    """Delete streams in error.

    They are deleted permanently, with their links to events; the events are kept. A stream that is
    not in error is not changed, and the exit status is then 1; 'winchester stream purge' deletes
    streams in any state.

    --all selects every stream in error, or those that match the filters: 'winchester stream list'
    lists them with the same filters, and --dry-run lists them, too. A stream that has changed since
    it was read is skipped. The number of streams discarded is printed on standard error.
    """

    examples = (
        "winchester stream discard -c winchester.yaml 12 13",
        "winchester stream discard -c winchester.yaml --all --older-than 30d --dry-run",
        "winchester stream discard -c winchester.yaml --all --state expire_error --name usage",
    )
    participle = DISCARDED

    def expected_outcome(self, stream: StreamRecord) -> str:
        """Return the outcome, which is the same for every stream."""
        del stream
        return DISCARDED

    def apply(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Delete the unchanged streams."""
        return dict.fromkeys(store.discard_streams(versions), DISCARDED)


class StreamPurge(BulkCommand[StoreSession]):
    """Delete streams in any state.

    A stream is deleted permanently, with its links to events; the events are kept. A stream that a
    worker is processing is not changed; the exit status is then 1.
    """

    examples = (
        "winchester stream purge -c winchester.yaml 12 13",
        (
            "winchester stream list -c winchester.yaml --state completed -f value --column id "
            "| xargs winchester stream purge -c winchester.yaml"
        ),
    )
    item_label = "the streams"

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session of the store."""
        return StoreSession(parsed_args)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, None]:
        """Purge one stream."""
        resource.store.purge_stream(item_id)
        return "purged", None
