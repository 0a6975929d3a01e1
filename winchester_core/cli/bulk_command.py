"""Base class of commands that apply one action to each of several objects, selected by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from winchester_core import errors
from winchester_core.cli.options import ALL_BUT_DATABASE, Argument, positive_number
from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import StoreSession
from winchester_core.service.exit import FAILED, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Collection, Iterator, Mapping

    from winchester_core.cli.listing import Filter, Records
    from winchester_core.config import Part

FAILED_OUTCOME: Final = "failed"
ITEM_ERRORS = (
    errors.IllegalTransition,
    errors.UnknownStream,
    errors.UnknownRejectedMessage,
    errors.UnknownEffect,
    errors.EffectInProgress,
)
"""Errors that affect only one object; the command continues with the next object."""

BulkResult: TypeAlias = tuple[int, str, str | None]
"""Id, outcome, and the reason if the outcome has one."""


class BulkCommand(FlatLister):
    """Apply one action to each id, each in a separate transaction, and list the outcomes.

    If the action fails for an id, the command continues with the others and exits with status 1.
    ``--all`` selects the `records` with the values in `selected`; `filters` restrict them further.
    """

    columns = "id outcome reason"
    plural = ""
    """Noun for the objects that the ids identify."""
    method, outcome = "", ""
    """Name of the store's method (unless `process` is overridden), and its past participle."""
    failed_outcomes = frozenset({FAILED_OUTCOME})
    """Outcomes for which the exit status is 1."""
    ignored_parts: Collection[Part] = ALL_BUT_DATABASE
    """Parts of the configuration that are not read."""

    selected_noun = ""
    """Noun for the objects that ``--all`` selects instead of ids; "" if there is no ``--all``."""
    records: Records
    selected: Mapping[str, Any] = {}
    filters: tuple[Filter, ...] = ()

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the ids."""
        parser = super().get_parser(prog_name)
        number = "*" if self.selected_noun else "+"
        help_text = f"the ids of the {self.plural}"
        Argument("ids ID", help_text, nargs=number, type=positive_number).add_to(parser)
        return parser

    def process(self, session: StoreSession, item_id: int) -> tuple[str, str | None]:
        """Apply the action to one id; return the outcome, and the reason if it has one."""
        getattr(session.store, self.method)(item_id)
        return self.outcome, None

    def results(self, session: StoreSession) -> Iterator[BulkResult]:
        """Apply the action to each selected id; yield the results."""
        for item_id in self._ids(session):
            try:
                outcome, reason = self.process(session, item_id)
            except ITEM_ERRORS as error:
                outcome, reason = FAILED_OUTCOME, str(error)
            yield item_id, outcome, reason

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Yield the outcomes; each action is executed when its outcome is read."""
        if self.selected_noun:
            self._check_selection(parsed_args)
        with StoreSession(parsed_args, ignores=self.ignored_parts) as session:
            for item_id, outcome, reason in self.results(session):
                if outcome in self.failed_outcomes:
                    self.status = FAILED
                yield {"id": item_id, "outcome": outcome, "reason": reason}

    def selected_pages(self, session: StoreSession) -> Iterator[list[Any]]:
        """Yield the records that ``--all`` and the filters select, in pages."""
        selection = self.records.selection(session, self.filters, **self.selected)
        return self.records.pages(session, selection)

    def _ids(self, session: StoreSession) -> Iterator[int]:
        """Yield the selected ids, without duplicates."""
        if not (self.selected_noun and session.args.all):
            yield from dict.fromkeys(session.args.ids)
            return
        for page in self.selected_pages(session):
            yield from (record.id for record in page)

    def _check_selection(self, args: Namespace) -> None:
        """Raise `UsageError` unless either ids or ``--all`` are given, and filters only with it."""
        if bool(args.ids) == args.all:
            raise UsageError(
                f"specify the ids of {self.plural}, or --all for all {self.selected_noun}"
            )
        given = [each.names[0] for each in self.filters if each.is_given(args)]
        if given and not args.all:
            raise UsageError(f"{given[0]} is a filter for --all: it cannot be used with ids")
