"""Base class of commands that apply one action to many objects, selected by id."""

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
"""Errors that concern a single object, so that the command goes on with the next."""

BulkResult: TypeAlias = tuple[int, str, str | None]
"""Id, outcome, and the reason if the outcome has one."""

Resource = TypeVar("Resource")


class BulkCommand(FlatLister, Generic[Resource]):
    """Apply one action to each id, in a transaction of its own, and list the outcomes.

    A failure for one id does not stop the others; the exit status is then 1.
    """

    item_label = ""
    """Noun for the objects that the ids identify, for the help text."""
    ids_optional = False
    """Whether another option may select the objects instead."""
    failed_outcomes: frozenset[str] = frozenset({FAILED_OUTCOME})
    """Outcomes for which the exit status is 1."""

    @abstractmethod
    def open_resource(self, parsed_args: Namespace) -> AbstractContextManager[Resource]:
        """Return the context manager of the resource that `process` uses."""

    @abstractmethod
    def process(
        self, resource: Resource, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Apply the action to one id; return the outcome, and the reason if it has one."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the ids."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "ids",
            metavar="ID",
            nargs="*" if self.ids_optional else "+",
            type=positive_number,
            help=f"the ids of {self.item_label}",
        )
        return parser

    def ids(self, resource: Resource, parsed_args: Namespace) -> Iterator[int]:
        """Yield the selected ids, without duplicates."""
        del resource
        yield from dict.fromkeys(parsed_args.ids)

    def run(self, parsed_args: Namespace) -> int:
        """Apply the action to each id; return the exit status."""
        self._has_failed = False
        super().run(parsed_args)
        return FAILED if self._has_failed else DONE

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """Return the columns and the outcomes, which are produced while they are read."""
        columns = check_columns(parsed_args.columns, BULK_COLUMNS) or BULK_COLUMNS
        rows = self._result_rows(parsed_args)
        first = list(islice(rows, 1))  # errors that concern all ids are raised before any output
        return columns, chain(first, rows)

    def results(self, resource: Resource, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Apply the action to each selected id; yield the results."""
        for item_id in self.ids(resource, parsed_args):
            try:
                outcome, reason = self.process(resource, item_id, parsed_args)
            except ITEM_ERRORS as error:
                outcome, reason = FAILED_OUTCOME, str(error)
            yield item_id, outcome, reason

    def _result_rows(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with self.open_resource(parsed_args) as resource:
            for item_id, outcome, reason in self.results(resource, parsed_args):
                self._has_failed |= outcome in self.failed_outcomes
                yield {"id": item_id, "outcome": outcome, "reason": reason}
