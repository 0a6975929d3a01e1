"""Output of lists and of single objects in cliff's formats: table, json, yaml, csv, value."""

from __future__ import annotations

import json
from abc import abstractmethod
from itertools import chain, islice
from textwrap import indent
from typing import TYPE_CHECKING, Any, cast

from cliff.lister import Lister
from cliff.show import ShowOne

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import parse_number, positive_number
from winchester_core.cli.session import StoreSession
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO


class FlatLister(ConfiguredCommand, Lister):
    """List flat objects: complete in JSON and YAML, as columns in the other formats.

    `take_action` returns the columns and the objects, as mappings.
    """

    def produce_output(
        self,
        parsed_args: Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write the objects in the requested format and order."""
        descending = parsed_args.sort_direction == "desc"
        for column in reversed(parsed_args.sort_columns):
            data = self._sorted_rows(data, column, descending=descending)
        if parsed_args.formatter not in ("json", "yaml"):
            rows = ([self.cell(each, name) for name in column_names] for each in data)
            self.formatter.emit_list(column_names, rows, self.app.stdout, parsed_args)
            return DONE
        if parsed_args.columns:
            data = ({name: self.value(each, name) for name in column_names} for each in data)
        if parsed_args.formatter == "json":
            write_json(data, self.app.stdout, indented=not parsed_args.noindent)
        else:
            write_yaml(data, self.app.stdout)
        return DONE

    def value(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column, as shown in JSON, sorted by, and formatted by `cell`."""
        return column_value(each, column)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column, on one line and without terminal control characters."""
        return one_line(self.value(each, column))

    def _sorted_rows(
        self, data: Iterable[Mapping[str, Any]], column: str, *, descending: bool
    ) -> list[Mapping[str, Any]]:
        return sorted(
            data, key=lambda each: _sort_key(self.value(each, column)), reverse=descending
        )


class ObjectShow(ConfiguredCommand, ShowOne):
    """Show one object in the formats of lists; CSV is a header and a row."""

    @property
    def formatter_namespace(self) -> str:
        """Entry-point group of the formats.

        cliff's group for single objects is not used: its `shell` format would let stored data run
        as shell commands.
        """
        return "cliff.formatter.list"

    @abstractmethod
    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the object; its values are JSON values."""

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Return the names and values of the object, restricted to the requested columns."""
        shown = self.get_object(parsed_args)
        if parsed_args.columns:
            names = check_columns(parsed_args.columns, tuple(shown))
            shown = {name: column_value(shown, name) for name in names}
        return tuple(shown), tuple(shown.values())

    def produce_output(
        self, parsed_args: Namespace, column_names: Sequence[str], data: Sequence[Any]
    ) -> int:
        """Write the object in the requested format."""
        shown = dict(zip(column_names, data, strict=True))
        output, formatter = self.app.stdout, cast("Any", self.formatter)
        match parsed_args.formatter:
            case "json":
                indentation = None if parsed_args.noindent else 2
                output.write(json.dumps(shown, indent=indentation) + "\n")
            case "yaml":
                _dump_yaml(shown, output)
            case "csv":
                row = [one_line(value) for value in data]
                formatter.emit_list(column_names, [row], output, parsed_args)
            case "table":
                cells = [self.cell(name, value) for name, value in shown.items()]
                formatter.emit_one(column_names, cells, output, parsed_args)
            case _:
                row = [one_line(value) for value in data]
                formatter.emit_one(column_names, row, output, parsed_args)
        return DONE

    def cell(self, name: str, value: Any) -> Any:
        """Return the table cell of the value called `name`; it may have several lines."""
        return one_line(value)


class DocumentShow(ObjectShow):
    """Show one object that has a document of many lines as one of its values."""

    document_key = ""
    """Name of that value, which is JSON or text."""

    def cell(self, name: str, value: Any) -> Any:
        """Return a value, the document as several lines."""
        if name != self.document_key:
            return super().cell(name, value)
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        return join_lines(text.splitlines())


def check_columns(requested: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """Return the requested columns. Raises `UsageError` for one that is not `known`."""
    for column in requested:
        if column not in known and column_key(column) not in known:
            raise UsageError(f"no column is named {column!r}; available: {', '.join(known)}")
    return requested


def column_key(column: str) -> str:
    """Return the key of a column, whose name may be written as a title (``Message ID``)."""
    return column.lower().strip().replace(" ", "_")


def column_value(each: Mapping[str, Any], column: str) -> Any:
    """Return the object's value for a column; None if it has none."""
    return each[column] if column in each else each.get(column_key(column))


def one_line(value: Any) -> Any:
    """Return a value for a cell: numbers unchanged, text with control characters escaped."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in value)


def join_lines(values: Iterable[Any]) -> str:
    """Return the text of a cell with each value on its own line."""
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


def _sort_key(value: Any) -> tuple[int, Any]:
    """Return a sort key for values of any type: numbers, strings, other values, missing ones."""
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 1, value
    return (3, "") if value is None else (2, json.dumps(value))


class PagedLister(FlatLister):
    """List flat objects from the database, with ``--cursor``, ``--limit`` and ``--count``.

    All formats except the table write while they read, so that a long list needs little memory.
    """

    default_columns: tuple[str, ...] = ()

    @abstractmethod
    def count(self, session: StoreSession) -> int:
        """Return the number of objects."""

    @abstractmethod
    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Yield the objects after ``--cursor``, at most ``--limit``."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options of paging."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--cursor", metavar="ID", help="start after the object with this id")
        parser.add_argument(
            "--limit", metavar="N", type=positive_number, help="list at most N (default: all)"
        )
        parser.add_argument(
            "--count",
            action="store_true",
            help="print only the number of objects; not with --cursor or --limit",
        )
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """Print the list or the count; return the exit status."""
        if not parsed_args.count:
            return super().run(parsed_args)
        if parsed_args.cursor is not None or parsed_args.limit is not None:
            raise UsageError("--count cannot be combined with --cursor or --limit")
        with StoreSession(parsed_args) as session:
            print(self.count(session), file=self.app.stdout)
        return DONE

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """Return the requested or default columns, and the objects."""
        objects = self._read(parsed_args)
        first = list(islice(objects, 1))  # errors are raised before any output
        return parsed_args.columns or self.default_columns, chain(first, objects)

    def _read(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        with StoreSession(parsed_args) as session:
            yield from self.objects(session)


def parse_id_cursor(text: str | None) -> int | None:
    """Return the numeric id that ``--cursor`` gives. Raises `UsageError`."""
    try:
        return None if text is None else parse_number(text)
    except ValueError as error:
        raise UsageError(f"--cursor {text}: an id {error}") from None
