"""How lists of flat objects, and single ones, are written: table, json, yaml, csv, value."""

from __future__ import annotations

import json
from abc import abstractmethod
from itertools import chain, islice
from textwrap import indent
from typing import TYPE_CHECKING, Any, cast

from cliff.lister import Lister
from cliff.show import ShowOne

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import positive_number
from winchester_core.cli.session import StoreSession
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO


class FlatLister(ConfiguredCommand, Lister):
    """Lists flat objects. JSON and YAML show each as it is; the other formats show columns.

    `take_action` returns the columns and the objects, as mappings.
    """

    def produce_output(
        self,
        parsed_args: Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write the objects in the wanted format and order."""
        backwards = parsed_args.sort_direction == "desc"
        for column in reversed(parsed_args.sort_columns):
            data = _sort_rows(data, column, backwards=backwards)
        if parsed_args.formatter not in ("json", "yaml"):
            rows = ([self.cell(each, name) for name in column_names] for each in data)
            self.formatter.emit_list(column_names, rows, self.app.stdout, parsed_args)
            return DONE
        if parsed_args.columns:
            data = ({name: column_value(each, name) for name in column_names} for each in data)
        if parsed_args.formatter == "json":
            write_json(data, self.app.stdout, indented=not parsed_args.noindent)
        else:
            write_yaml(data, self.app.stdout)
        return DONE

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """What a column shows of an object: one line, and nothing that moves a terminal."""
        return one_line(column_value(each, column))


class ObjectShow(ConfiguredCommand, ShowOne):
    """Shows one object, in the formats that lists have; as CSV it is a header and a row."""

    @property
    def formatter_namespace(self) -> str:
        """Where cliff looks for formats; not its own for single things, whose shell variables
        would let data run as commands."""
        return "cliff.formatter.list"

    @abstractmethod
    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The object, of what JSON knows."""

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """The names and the values of the object, or those that are asked for."""
        found = self.shown(parsed_args)
        if parsed_args.columns:
            names = check_columns(parsed_args.columns, tuple(found))
            found = {name: column_value(found, name) for name in names}
        return tuple(found), tuple(found.values())

    def produce_output(
        self, parsed_args: Namespace, column_names: Sequence[str], data: Sequence[Any]
    ) -> int:
        """Write the object in the wanted format."""
        found = dict(zip(column_names, data, strict=True))
        output, formatter = self.app.stdout, cast("Any", self.formatter)
        match parsed_args.formatter:
            case "json":
                space = None if parsed_args.noindent else 2
                output.write(json.dumps(found, indent=space) + "\n")
            case "yaml":
                _dump_yaml(found, output)
            case "csv":
                row = [one_line(value) for value in data]
                formatter.emit_list(column_names, [row], output, parsed_args)
            case "table":
                cells = [self.cell(name, value) for name, value in found.items()]
                formatter.emit_one(column_names, cells, output, parsed_args)
            case _:
                row = [one_line(value) for value in data]
                formatter.emit_one(column_names, row, output, parsed_args)
        return DONE

    def cell(self, name: str, value: Any) -> Any:
        """What a person sees of the value called `name`; it may have several lines."""
        return one_line(value)


class DocumentShow(ObjectShow):
    """Shows one object, of which one value is a document of many lines."""

    document = ""
    """The name of that value; it is JSON, or text."""

    def cell(self, name: str, value: Any) -> Any:
        """A value; of the document, the lines."""
        if name != self.document:
            return super().cell(name, value)
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        return join_lines(text.splitlines())


def check_columns(asked: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """The columns that are asked for. Raises `UsageError` for one that is not `known`."""
    for column in asked:
        if column not in known and column_key(column) not in known:
            raise UsageError(f"no column is named {column!r}; there are: {', '.join(known)}")
    return asked


def column_key(column: str) -> str:
    """The key that a column's name means, which may be written as in ``Message ID``."""
    return column.lower().strip().replace(" ", "_")


def column_value(each: Mapping[str, Any], column: str) -> Any:
    """What an object has under a column's name."""
    return each[column] if column in each else each.get(column_key(column))


def one_line(value: Any) -> Any:
    """A value for a cell: numbers as they are, text without line ends and control characters."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)


def join_lines(values: Iterable[Any]) -> str:
    """Values for a cell, each on a line of its own."""
    return "\n".join(str(one_line(value)) for value in values)


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
    empty = True
    for each in objects:
        _dump_yaml([dict(each)], output)
        empty = False
    if empty:
        output.write("[]\n")


def _dump_yaml(value: Any, output: TextIO) -> None:
    import yaml

    yaml.safe_dump(value, output, default_flow_style=False, sort_keys=False)


def _sort_rows(
    data: Iterable[dict[str, Any]], column: str, *, backwards: bool
) -> list[dict[str, Any]]:
    return sorted(data, key=lambda each: _sort_key(column_value(each, column)), reverse=backwards)


def _sort_key(value: Any) -> tuple[int, Any]:
    """Order values of any type: numbers, then texts, then the rest, what is missing at last."""
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 1, value
    return (3, "") if value is None else (2, json.dumps(value))


# Listings of what is stored, read from the database in pages.


class PagedLister(FlatLister):
    """Lists flat objects from the database, with ``--cursor``, ``--limit`` and ``--count``.

    All formats but the table write while they read, so that a long list needs little memory.
    """

    default_columns: tuple[str, ...] = ()

    @abstractmethod
    def count(self, session: StoreSession) -> int:
        """How many there are."""

    @abstractmethod
    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
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
        with StoreSession(parsed_args) as session:
            print(self.count(session), file=self.app.stdout)
        return DONE

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """The columns that are asked for, or the default ones, and the objects."""
        objects = self._read(parsed_args)
        first = list(islice(objects, 1))  # whatever is wrong shows before any output
        return parsed_args.columns or self.default_columns, chain(first, objects)

    def _read(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with StoreSession(parsed_args) as session:
            yield from self.objects(session)


def parse_id_cursor(text: str | None) -> int | None:
    """The id that ``--cursor`` names, where ids are numbers. Raises `UsageError`."""
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    raise UsageError(f"--cursor {text}: such an id is a whole number")
