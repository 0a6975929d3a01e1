"""Listings of what is stored, read from the database in pages."""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from winchester_core.cli.failure import DONE, UsageError
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence


class ObjectLister(FlatLister):
    """Lists flat objects from the database, with ``--cursor``, ``--limit`` and ``--count``.

    All formats but the table write while they read, so that a long list needs little memory.
    """

    default_columns: tuple[str, ...] = ()

    @abstractmethod
    def count(self, session: Session) -> int:
        """How many there are."""

    @abstractmethod
    def objects(self, session: Session) -> Iterator[dict[str, Any]]:
        """Each as an object; at most `--limit` of them, past the `--cursor`."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options of paging."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--cursor", metavar="ID", help="go on past the one with this id")
        parser.add_argument(
            "--limit", metavar="N", type=positive_number, help="list at most N (default: all)"
        )
        parser.add_argument(
            "--count",
            action="store_true",
            help="print only how many there are; not with --cursor or --limit",
        )
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """List, or count."""
        if not parsed_args.count:
            return super().run(parsed_args)
        if parsed_args.cursor is not None or parsed_args.limit is not None:
            raise UsageError("--count counts all: it does not go with --cursor or --limit")
        with Session(parsed_args) as session:
            print(self.count(session), file=self.app.stdout)
        return DONE

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """The columns that are asked for, or the default ones, and the objects."""
        objects = self._read(parsed_args)
        first = list(islice(objects, 1))  # whatever is wrong shows before any output
        return parsed_args.columns or self.default_columns, chain(first, objects)

    def _read(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with Session(parsed_args) as session:
            yield from self.objects(session)


def numeric_cursor(text: str | None) -> int | None:
    """The id that ``--cursor`` names, where ids are numbers. Raises `UsageError`."""
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    raise UsageError(f"--cursor {text}: such an id is a whole number")
