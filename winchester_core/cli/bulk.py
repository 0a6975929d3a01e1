"""Base classes of commands that apply one action to each of several objects, selected by id."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from winchester_core.cli.options import positive_number
from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import StoreSession
from winchester_core.errors import (
    EffectInProgress,
    IllegalTransition,
    UnknownEffect,
    UnknownRejectedMessage,
    UnknownStream,
)
from winchester_core.service.exit import FAILED, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from winchester_core.cli.listing import Filter, Records

FAILED_OUTCOME: Final = "failed"
ITEM_ERRORS = (
    IllegalTransition,
    UnknownStream,
    UnknownRejectedMessage,
    UnknownEffect,
    EffectInProgress,
)
"""Errors that affect only one object; the command continues with the next object."""

BulkResult: TypeAlias = tuple[int, str, str | None]
"""Id, outcome, and the reason if the outcome has one."""

Resource = TypeVar("Resource")


class BulkCommand(FlatLister, Generic[Resource]):
    """Apply one action to each id, each in a separate transaction, and list the outcomes.

    If the action fails for an id, the command continues with the others and exits with status 1.
    """

    columns = ("id", "outcome", "reason")
    plural = ""
    """Noun for the objects that the ids identify."""
    selected_noun = ""
    """Noun for the objects that ``--all`` selects instead of ids; "" if there is no ``--all``."""
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
            nargs="*" if self.selected_noun else "+",
            type=positive_number,
            help=f"the ids of the {self.plural}",
        )
        return parser

    def ids(self, resource: Resource, parsed_args: Namespace) -> Iterator[int]:
        """Yield the selected ids, without duplicates."""
        del resource
        yield from dict.fromkeys(parsed_args.ids)

    def results(self, resource: Resource, parsed_args: Namespace) -> Iterator[BulkResult]:
        """Apply the action to each selected id; yield the results."""
        for item_id in self.ids(resource, parsed_args):
            try:
                outcome, reason = self.process(resource, item_id, parsed_args)
            except ITEM_ERRORS as error:
                outcome, reason = FAILED_OUTCOME, str(error)
            yield item_id, outcome, reason

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Yield the outcomes; each action is executed when its outcome is read."""
        with self.open_resource(parsed_args) as resource:
            for item_id, outcome, reason in self.results(resource, parsed_args):
                if outcome in self.failed_outcomes:
                    self.status = FAILED
                yield {"id": item_id, "outcome": outcome, "reason": reason}


class StoreAction(BulkCommand[StoreSession]):
    """Call one method of the store with each id.

    ``--all`` selects the `records` with the values in `selected`; `filters` restrict them further.
    """

    method = ""
    """Name of the store's method, unless `process` is overridden."""
    outcome = ""
    """Past participle of the action."""
    records: Records
    selected: Mapping[str, Any] = {}
    filters: tuple[Filter, ...] = ()

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session. Raises `UsageError` unless either ids or ``--all`` are given."""
        if self.selected_noun:
            self._check_selection(parsed_args)
        return StoreSession(parsed_args)

    def pages(self, session: StoreSession) -> Iterator[list[Any]]:
        """Yield the records that ``--all`` and the filters select, in pages."""
        selection = self.records.selection(session, self.filters, **self.selected)
        return self.records.pages(session, selection)

    def ids(self, resource: StoreSession, parsed_args: Namespace) -> Iterator[int]:
        """Yield the given ids, or those of the selected records."""
        if self.selected_noun and parsed_args.all:
            for page in self.pages(resource):
                yield from (record.id for record in page)
        else:
            yield from super().ids(resource, parsed_args)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Call the method."""
        getattr(resource.store, self.method)(item_id)
        return self.outcome, None

    def _check_selection(self, parsed_args: Namespace) -> None:
        if bool(parsed_args.ids) == parsed_args.all:
            raise UsageError(
                f"specify the ids of {self.plural}, or --all for all {self.selected_noun}"
            )
        given = [each for each in self.filters if each.is_given(parsed_args)]
        if given and not parsed_args.all:
            option = given[0].names[0]
            raise UsageError(f"{option} is a filter for --all: it cannot be used with ids")
