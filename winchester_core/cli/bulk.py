"""Commands that do the same with each of several things, named by their ids."""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from winchester_core.cli.options import positive_number
from winchester_core.cli.output import FlatLister, check_columns
from winchester_core.errors import (
    EffectInProgress,
    IllegalTransition,
    UnknownEffect,
    UnknownRejectedMessage,
    UnknownStream,
)
from winchester_core.service.exit import DONE, FAILED

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

BULK_COLUMNS: Final = ("id", "outcome", "reason")
FAILED_OUTCOME: Final = "failed"
ITEM_ERRORS = (
    IllegalTransition,
    UnknownStream,
    UnknownRejectedMessage,
    UnknownEffect,
    EffectInProgress,
)
"""What goes wrong with one thing and says nothing about the others."""

BulkResult: TypeAlias = tuple[int, str, str | None]
"""The id of one thing, the outcome, and the reason where that needs one."""

Tool = TypeVar("Tool")


class BulkCommand(FlatLister, Generic[Tool]):
    """Does the same with each id, and lists what became of it; each is a transaction of its own.

    What cannot be done with one hinders none of the others; the exit status is then 1.
    """

    what = ""
    """What the ids are those of, for the help."""
    ids_may_be_absent = False
    """Whether something else than ids may say which are meant."""
    failures: frozenset[str] = frozenset({FAILED_OUTCOME})
    """The outcomes that make the exit status 1."""

    @abstractmethod
    def tool(self, parsed_args: Namespace) -> AbstractContextManager[Tool]:
        """What `act` works with, for as long as it is entered."""

    @abstractmethod
    def act(self, tool: Tool, each_id: int, parsed_args: Namespace) -> tuple[str, str | None]:
        """Do it; return the outcome, and the reason where that needs one."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the ids."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "ids",
            metavar="ID",
            nargs="*" if self.ids_may_be_absent else "+",
            type=positive_number,
            help=f"the ids of {self.what}",
        )
        return parser

    def ids(self, tool: Tool, parsed_args: Namespace) -> Iterator[int]:
        """The ids of those that are meant."""
        del tool
        yield from dict.fromkeys(parsed_args.ids)

    def run(self, parsed_args: Namespace) -> int:
        """Do it with each; return the exit status."""
        self._has_failed = False
        super().run(parsed_args)
        return FAILED if self._has_failed else DONE

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """What became of each, while it is done."""
        columns = check_columns(parsed_args.columns, BULK_COLUMNS) or BULK_COLUMNS
        outcomes = self._noted(parsed_args)
        first = list(islice(outcomes, 1))  # whatever is wrong with all shows before any output
        return columns, chain(first, outcomes)

    def outcomes(self, tool: Tool, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Do it with each that is meant; tell what became of it."""
        for each_id in self.ids(tool, parsed_args):
            try:
                outcome, reason = self.act(tool, each_id, parsed_args)
            except ITEM_ERRORS as error:
                outcome, reason = FAILED_OUTCOME, str(error)
            yield each_id, outcome, reason

    def _noted(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with self.tool(parsed_args) as tool:
            for each_id, outcome, reason in self.outcomes(tool, parsed_args):
                self._has_failed |= outcome in self.failures
                yield {"id": each_id, "outcome": outcome, "reason": reason}
