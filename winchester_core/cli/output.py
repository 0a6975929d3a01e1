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
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TextIO


class OutputCommand(ConfiguredCommand):
    """Command that prints its result in one of cliff's formats."""

    status: int = DONE
    """Exit status after the output."""

    def run(self, parsed_args: Namespace) -> int:
        """Print the result; return the exit status."""
        return super().run(parsed_args) or self.status


class FlatLister(OutputCommand, Lister):
    """List flat objects: complete in JSON and YAML, as columns in the other formats."""

    columns = ""
    """Names of the columns, separated by spaces."""

    @abstractmethod
    def objects(self, parsed_args: Namespace) -> Iterable[Mapping[str, Any]]:
        """Return the objects; an iterator may produce them during printing."""

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the default columns, and the columns allowed in ``--column`` (empty: any)."""
        del parsed_args
        columns = self.columns.split()
        return columns, columns

    def take_action(
        self, parsed_args: Namespace
    ) -> tuple[Sequence[str], Iterable[Mapping[str, Any]]]:
        """Return the columns and the objects. Raises `UsageError` for an unknown column."""
        default, available = self.columns_of(parsed_args)
        if available:
            check_columns(parsed_args.columns, available)
        objects = iter(self.objects(parsed_args))
        first = list(islice(objects, 1))  # errors are raised before any output
        return parsed_args.columns or default, chain(first, objects)

    def produce_output(
        self, parsed_args: Namespace, column_names: Sequence[str], data: Iterable[Any]
    ) -> int:
        """Write the objects in the requested format and order."""
        descending = parsed_args.sort_direction == "desc"
        for column in reversed(parsed_args.sort_columns):
            data = sorted(
                data, key=lambda each: _sort_key(self.value(each, column)), reverse=descending
            )
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
        """Return the value of a column, for JSON, for sorting, and as input of `cell`."""
        return column_value(each, column)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column, on one line and without terminal control characters."""
        return one_line(self.value(each, column))


class ObjectShow(OutputCommand, ShowOne):
    """Show one object in the formats of lists; CSV is a header and a row."""

    lines: Mapping[str, Callable[[Any], Iterable[Any]]] = {}
    """Functions that return the lines of a table cell, by the name of the value."""

    @property
    def formatter_namespace(self) -> str:
        """Entry-point group of the formats.

        cliff's group for single objects is not used, because its `shell` format could execute
        stored data as shell commands.
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
        if name in self.lines and value is not None:
            return join_lines(self.lines[name](value))
        return one_line(value)


def check_columns(requested: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """Return the requested columns. Raises `UsageError` if a column is not `known`."""
    for column in requested:
        if column not in known and column_key(column) not in known:
            raise UsageError(f"no column is named {column!r}; available: {', '.join(known)}")
    return requested


def column_key(column: str) -> str:
    """Return the key of a column; its name may also be a title (``Message ID``)."""
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


def count_lines(counts: Mapping[str, Any]) -> Iterable[str]:
    """Return one line for each count."""
    return (f"{key}: {count}" for key, count in counts.items())


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
