"""Listings of objects whose keys need not be the same for each, in every format of cliff."""

from __future__ import annotations

import json
from abc import abstractmethod
from itertools import chain, islice
from textwrap import indent
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister

from winchester_core.cli.commands import ConfiguredCommand
from winchester_core.cli.failure import WrongUsage
from winchester_core.cli.options import DATABASE_ONLY, load, positive_number

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import TextIO

    from winchester_core.storage.interface import Store

PAGE = 1000
"""How many are read from the database at a time."""


class ObjectLister(ConfiguredCommand, Lister):
    """Lists flat objects. JSON and YAML show each as it is; the other formats show columns.

    All formats but the table write while they read, so that a long list needs little memory.
    """

    default_columns: tuple[str, ...] = ()

    @abstractmethod
    def count(self, listed: Listed) -> int:
        """How many there are."""

    @abstractmethod
    def objects(self, listed: Listed) -> Iterator[dict[str, Any]]:
        """Each as an object; at most `--limit` of them, past the `--mark`."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options of paging."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--mark", metavar="ID", help="go on past the one with this id")
        parser.add_argument(
            "--limit", metavar="N", type=positive_number, help="list at most N (default: all)"
        )
        parser.add_argument(
            "--count",
            action="store_true",
            help="print only how many there are; not with --mark or --limit",
        )
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """List, or count."""
        if not parsed_args.count:
            return super().run(parsed_args)
        if parsed_args.mark is not None or parsed_args.limit is not None:
            raise WrongUsage("--count counts all: it does not go with --mark or --limit")
        with Listed(parsed_args) as listed:
            print(self.count(listed), file=self.app.stdout)
        return 0

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """The columns that are asked for, or the default ones, and the objects."""
        objects = self._read(parsed_args)
        first = list(islice(objects, 1))  # whatever is wrong shows before any output
        return parsed_args.columns or self.default_columns, chain(first, objects)

    def produce_output(
        self,
        parsed_args: Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write the objects in the wanted format and order."""
        backwards = parsed_args.sort_direction == "desc"
        for column in reversed(parsed_args.sort_columns):
            data = _sorted(data, column, backwards=backwards)
        if parsed_args.formatter not in ("json", "yaml"):
            rows = ([self.cell(each, name) for name in column_names] for each in data)
            self.formatter.emit_list(column_names, rows, self.app.stdout, parsed_args)
            return 0
        if parsed_args.columns:
            data = ({name: value_of(each, name) for name in column_names} for each in data)
        if parsed_args.formatter == "json":
            write_json(data, self.app.stdout, indented=not parsed_args.noindent)
        else:
            write_yaml(data, self.app.stdout)
        return 0

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """What a column shows of an object: one line, and nothing that moves a terminal."""
        return one_line(value_of(each, column))

    def _read(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with Listed(parsed_args) as listed:
            yield from self.objects(listed)


class Listed:
    """What a listing looks at: the store, while this is entered, and the options."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self._settings = load(args, ignores=DATABASE_ONLY)

    def __enter__(self) -> Listed:
        """Raises `SchemaMismatch`, `DatabaseUnavailable`."""
        from winchester_core.bootstrap import open_store

        self.store: Store = open_store(self._settings)
        return self

    def __exit__(self, *_error: object) -> None:
        self.store.close()

    def now(self) -> datetime:
        """Stream time. Raises `WrongUsage` while the event clock has none."""
        from winchester_core.bootstrap import stream_clock

        now = stream_clock(self._settings, self.store).now()
        if now is None:
            raise WrongUsage("the event clock is not set yet: give a time, not a duration")
        return now

    def page_sizes(self) -> Iterator[int]:
        """How many to read next, until the limit is reached."""
        left = self.args.limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            yield size
            left = None if left is None else left - size


def value_of(each: Mapping[str, Any], column: str) -> Any:
    """What an object has under a column's name, which may be written as in ``Message ID``."""
    return each[column] if column in each else each.get(column.lower().strip().replace(" ", "_"))


def one_line(value: Any) -> Any:
    """A value for a cell: numbers as they are, text without line ends and control characters."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)


def write_json(objects: Iterable[Mapping[str, Any]], output: TextIO, *, indented: bool) -> None:
    """Write a JSON array, object by object."""
    separator = "[\n"
    for each in objects:
        text = json.dumps(each, indent=2 if indented else None)
        output.write(separator + (indent(text, "  ") if indented else text))
        separator = ",\n"
    output.write("[]\n" if separator == "[\n" else "\n]\n")


def write_yaml(objects: Iterable[Mapping[str, Any]], output: TextIO) -> None:
    """Write a YAML sequence, object by object."""
    import yaml

    empty = True
    for each in objects:
        yaml.safe_dump([dict(each)], output, default_flow_style=False, sort_keys=False)
        empty = False
    if empty:
        output.write("[]\n")


def _sorted(
    data: Iterable[dict[str, Any]], column: str, *, backwards: bool
) -> list[dict[str, Any]]:
    return sorted(data, key=lambda each: _rank(value_of(each, column)), reverse=backwards)


def _rank(value: Any) -> tuple[int, Any]:
    """Order values of any type: numbers, then texts, then the rest, what is missing at last."""
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 1, value
    return (3, "") if value is None else (2, json.dumps(value))
