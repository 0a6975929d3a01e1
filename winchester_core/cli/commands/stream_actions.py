"""``winchester stream reset|discard|purge``: making streams ready again, and removing them."""

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


# Doing the same with streams in error: those that are named, or those that filters leave.


ERROR_PAGE_SIZE: Final = 100
"""How many are read, and mended in one transaction: each comes with an error of up to 16 KiB."""

ERROR_STATES: Final = {states.failed.value: states.failed for states in REASON_STATES}
FILTERS: Final = ("name", "state", "error", "older_than", "younger_than")
SKIPPED: Final = "passed over"
CHANGED: Final = "it has changed meanwhile"


class ErrorStreamCommand(BulkCommand[StoreSession]):
    """Mends streams in error, by their ids one by one, or by ``--all`` in pages."""

    what = "the streams"
    ids_may_be_absent = True
    done = ""
    """The participle that tells what was done."""

    @abstractmethod
    def foresee(self, stream: StreamRecord) -> str:
        """The outcome for a stream in error."""

    @abstractmethod
    def mend(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Mend those that are as they were, in one transaction; return the outcome of each."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--all``, the filters and ``--dry-run``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--all", action="store_true", help="every stream in error, in the place of ids"
        )
        parser.add_argument("--name", metavar="TRIGGER", help="only streams of this trigger")
        parser.add_argument(
            "--state", choices=list(ERROR_STATES), help="only streams in this state, of %(choices)s"
        )
        parser.add_argument(
            "--error",
            metavar="TEXT",
            help="only streams whose last error, the traceback included, contains this",
        )
        parser.add_argument(
            "--older-than",
            metavar="WHEN",
            help="only those whose first event is earlier: than an ISO 8601 time (UTC without "
            "offset), or than a duration before now (stream time), as in 1d",
        )
        parser.add_argument(
            "--younger-than", metavar="WHEN", help="only those whose first event is not earlier"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, and do nothing"
        )
        return parser

    def tool(self, parsed_args: Namespace) -> StoreSession:
        """The store."""
        _check_selection(parsed_args)
        return StoreSession(parsed_args)

    def outcomes(self, tool: StoreSession, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Mend those that are meant."""
        if not parsed_args.all:
            yield from super().outcomes(tool, parsed_args)
            return
        counts: Counter[str] = Counter()
        for page in tool.pages(tool.store.find_streams, _filter(tool), None, ERROR_PAGE_SIZE):
            for each_id, outcome, reason in self._outcomes_of(page, tool, parsed_args):
                counts[SKIPPED if outcome == SKIPPED else self.done] += 1
                yield each_id, outcome, reason
        would = "would be " if parsed_args.dry_run else ""
        passed_over = f", {counts[SKIPPED]} passed over" if counts[SKIPPED] else ""
        print(f"streams {would}{self.done}: {counts[self.done]}{passed_over}", file=sys.stderr)

    def act(
        self, tool: StoreSession, each_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Mend one stream. Raises `UnknownStream`, `IllegalTransition`."""
        stream = tool.store.get_stream_by_id(each_id)
        self.states(stream)
        ((_, outcome, reason),) = self._outcomes_of([stream], tool, parsed_args)
        return (FAILED_OUTCOME if outcome == SKIPPED else outcome), reason

    def states(self, stream: StreamRecord) -> ReasonStates:
        """The lane of a stream in error. Raises `IllegalTransition` for any other."""
        states = states_including(stream.state)
        if states is None or stream.state is not states.failed:
            wanted = f"{self.done}: only a stream in error can be {self.done}"
            raise IllegalTransition(stream.state, wanted)
        return states

    def _outcomes_of(
        self, streams: Sequence[StreamRecord], tool: StoreSession, parsed_args: Namespace
    ) -> Iterator[BulkResult]:
        """Mend these, or say what would be done."""
        if parsed_args.dry_run:
            yield from ((each.id, self.foresee(each), None) for each in streams)
            return
        versions = [StreamVersion(each.id, each.state_serial_no) for each in streams]
        mended = self.mend(tool.store, versions)
        for stream in streams:
            outcome = mended.get(stream.id)
            if outcome is None:
                yield stream.id, SKIPPED, CHANGED
            else:
                yield stream.id, outcome, None


def _check_selection(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless there are either ids or ``--all``, and filters only with that."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("name streams by their ids, or all in error by --all")
    given = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if given and not parsed_args.all:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} narrows --all down: it does not go with ids")


def _filter(session: StoreSession) -> StreamFilter:
    args = session.args
    states = ERROR_STATES if args.state is None else [args.state]
    return StreamFilter(
        name=args.name,
        states=tuple(ERROR_STATES[state] for state in states),
        error_text=args.error,
        older_than=session.moment(args.older_than),
        younger_than=session.moment(args.younger_than),
    )


DISCARDED: Final = "discarded"


class StreamReset(ErrorStreamCommand):
    """Make streams in error ready again.

    Each gets all its attempts anew, and the next worker takes it up. The outcome is its new
    state, retry_fire or retry_expire. A stream that is not in error is left as it is; the exit
    status is then 1.

    --all means every stream in error, or those that the filters leave: 'winchester stream list'
    shows them by the same filters, and --dry-run says what would become of each. A stream that
    has changed since it was read is passed over. How many were reset is told on standard error.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        'winchester stream reset -c winchester.yaml --all --error "disk is full" --dry-run',
        "winchester stream reset -c winchester.yaml --all --name usage --younger-than 12h",
    )
    done = "reset"

    def foresee(self, stream: StreamRecord) -> str:
        """The state that it will be in."""
        return self.states(stream).retry.value

    def mend(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Reset them."""
        states = store.reset_streams(versions)
        return {stream_id: state.value for stream_id, state in states.items()}


class StreamDiscard(ErrorStreamCommand):
    """Remove streams in error.

    They are removed for good with their links to events; the events stay. A stream that is not in
    error is left as it is, and the exit status is then 1; 'winchester stream purge' removes those.

    --all means every stream in error, or those that the filters leave: 'winchester stream list'
    shows them by the same filters, and --dry-run lists them. A stream that has changed since it
    was read is passed over. How many were discarded is told on standard error.
    """

    examples = (
        "winchester stream discard -c winchester.yaml 12 13",
        "winchester stream discard -c winchester.yaml --all --older-than 30d --dry-run",
        "winchester stream discard -c winchester.yaml --all --state expire_error --name usage",
    )
    done = DISCARDED

    def foresee(self, stream: StreamRecord) -> str:
        """That it will be gone."""
        del stream
        return DISCARDED

    def mend(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Discard them."""
        return dict.fromkeys(store.discard_streams(versions), DISCARDED)


class StreamPurge(BulkCommand[StoreSession]):
    """Remove streams.

    A stream is removed with its links to events, whatever its state; the events stay. One that a
    worker has in hand is left as it is; the exit status is then 1.
    """

    examples = (
        "winchester stream purge -c winchester.yaml 12 13",
        (
            "winchester stream list -c winchester.yaml --state completed -f value --column id "
            "| xargs winchester stream purge -c winchester.yaml"
        ),
    )
    what = "the streams"

    def tool(self, parsed_args: Namespace) -> StoreSession:
        """The store."""
        return StoreSession(parsed_args)

    def act(self, tool: StoreSession, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Purge one stream."""
        tool.store.purge_stream(each_id)
        return "purged", None
