"""Doing the same with streams in error: those that are named, or those that filters leave."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Final

from winchester_core.cli.acting import NOT_DONE, ActOnEach
from winchester_core.cli.failure import UsageError
from winchester_core.cli.session import Session
from winchester_core.errors import IllegalTransition
from winchester_core.model.stream import REASON_STATES, ReasonStates, states_including
from winchester_core.storage.records import StreamFilter, StreamVersion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.cli.acting import Done
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store

PAGE: Final = 100
"""How many are read, and mended in one transaction: each comes with an error of up to 16 KiB."""

ERROR_STATES: Final = {states.failed.value: states.failed for states in REASON_STATES}
FILTERS: Final = ("name", "state", "error", "older_than", "younger_than")
PASSED_OVER: Final = "passed over"
CHANGED: Final = "it has changed meanwhile"


class MendErrors(ActOnEach[Session]):
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

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        _check_choice(parsed_args)
        return Session(parsed_args)

    def outcomes(self, tool: Session, parsed_args: Namespace) -> Iterator[Done]:
        """Mend those that are meant."""
        if not parsed_args.all:
            yield from super().outcomes(tool, parsed_args)
            return
        counts: Counter[str] = Counter()
        for page in tool.pages(tool.store.find_streams, _filter(tool), None, PAGE):
            for each_id, outcome, reason in self._outcomes_of(page, tool, parsed_args):
                counts[PASSED_OVER if outcome == PASSED_OVER else self.done] += 1
                yield each_id, outcome, reason
        would = "would be " if parsed_args.dry_run else ""
        passed_over = f", {counts[PASSED_OVER]} passed over" if counts[PASSED_OVER] else ""
        print(f"streams {would}{self.done}: {counts[self.done]}{passed_over}", file=sys.stderr)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, str | None]:
        """Mend one stream. Raises `UnknownStream`, `IllegalTransition`."""
        stream = tool.store.get_stream_by_id(each_id)
        self.states(stream)
        ((_, outcome, reason),) = self._outcomes_of([stream], tool, parsed_args)
        return (NOT_DONE if outcome == PASSED_OVER else outcome), reason

    def states(self, stream: StreamRecord) -> ReasonStates:
        """The lane of a stream in error. Raises `IllegalTransition` for any other."""
        states = states_including(stream.state)
        if states is None or stream.state is not states.failed:
            wanted = f"{self.done}: only a stream in error can be {self.done}"
            raise IllegalTransition(stream.state, wanted)
        return states

    def _outcomes_of(
        self, streams: Sequence[StreamRecord], tool: Session, parsed_args: Namespace
    ) -> Iterator[Done]:
        """Mend these, or say what would be done."""
        if parsed_args.dry_run:
            yield from ((each.id, self.foresee(each), None) for each in streams)
            return
        versions = [StreamVersion(each.id, each.state_serial_no) for each in streams]
        mended = self.mend(tool.store, versions)
        for stream in streams:
            outcome = mended.get(stream.id)
            if outcome is None:
                yield stream.id, PASSED_OVER, CHANGED
            else:
                yield stream.id, outcome, None


def _check_choice(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless there are either ids or ``--all``, and filters only with that."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("name streams by their ids, or all in error by --all")
    given = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if given and not parsed_args.all:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} narrows --all down: it does not go with ids")


def _filter(session: Session) -> StreamFilter:
    args = session.args
    states = ERROR_STATES if args.state is None else [args.state]
    return StreamFilter(
        name=args.name,
        states=tuple(ERROR_STATES[state] for state in states),
        error_text=args.error,
        older_than=session.moment(args.older_than),
        younger_than=session.moment(args.younger_than),
    )
