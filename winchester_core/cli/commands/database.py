"""The program ``winchester_db``: create, migrate and inspect the database schema."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import ALL_BUT_DATABASE, Argument, Flag, load_configuration
from winchester_core.cli.terminal import program_parser, run_program
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Callable, Sequence

    from winchester_core.storage.sql.schema_migration import DatabaseSchema

PROGRAM: Final = "winchester_db"

DESCRIPTION: Final = """\
Create, migrate and inspect the database schema. Only winchester.yaml is read; the other
configuration files need not be valid yet.
"""

EPILOG: Final = """\
examples:
  winchester_db -c winchester.yaml upgrade head
  winchester_db -c winchester.yaml upgrade --sql head > tables.sql
  winchester_db -c winchester.yaml current
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the action in `argv` (default: the process's arguments); return the exit status."""
    return run_program(build_parser(), _run, argv)


def build_parser() -> ArgumentParser:
    """Return the parser of the program's options and arguments."""
    parser = program_parser(PROGRAM, DESCRIPTION, EPILOG)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    _action(
        actions,
        "upgrade",
        _upgrade,
        "migrate up to a revision",
        Argument("revision REV", "default: head", nargs="?", default="head"),
        Flag("--sql", "print the SQL for an empty database instead of running it"),
    )
    _action(
        actions,
        "downgrade",
        _downgrade,
        "migrate down to a revision",
        Argument("revision REV", "'base' drops all tables and their data"),
        Flag("--sql", "print the SQL instead of running it; REV is then FROM:TO"),
    )
    _action(actions, "current", _current, "print the database's revision")
    _action(actions, "history", _history, "print every revision, newest first")
    revision = Argument("revision REV", "the revision to record")
    _action(actions, "stamp", _stamp, "record a revision without migrating", revision)
    return parser


def _action(
    actions: _SubParsersAction[ArgumentParser],
    name: str,
    run: Callable[[DatabaseSchema, Namespace], None],
    summary: str,
    *arguments: Argument,
) -> None:
    parser = actions.add_parser(name, help=summary, description=f"{summary}.".capitalize())
    parser.set_defaults(run=run, sql=False)
    for each in arguments:
        each.add_to(parser)


def _run(args: Namespace) -> int:
    settings = load_configuration(args, ignores=ALL_BUT_DATABASE)
    from winchester_core.bootstrap import open_database
    from winchester_core.storage.sql.schema_migration import DatabaseSchema

    with closing(open_database(settings)) as database:
        args.run(DatabaseSchema(database, sys.stdout if args.sql else None), args)
    return DONE


def _upgrade(schema: DatabaseSchema, args: Namespace) -> None:
    if args.sql:
        schema.print_upgrade(args.revision)
    else:
        schema.upgrade(args.revision)
        _current(schema, args)


def _downgrade(schema: DatabaseSchema, args: Namespace) -> None:
    if not args.sql:
        schema.downgrade(args.revision)
        _current(schema, args)
    elif ":" not in args.revision:
        raise UsageError("downgrade --sql requires the revisions as FROM:TO")
    else:
        schema.print_downgrade(args.revision)


def _current(schema: DatabaseSchema, _args: Namespace) -> None:
    current, required = schema.current_revision(), schema.required_revision
    is_required = current == required
    note = "head, as required by this program" if is_required else f"this program needs {required}"
    print(f"{current or 'no tables yet'} ({note})")


def _history(schema: DatabaseSchema, _args: Namespace) -> None:
    for revision, title in schema.history():
        print(f"{revision}  {title}")


def _stamp(schema: DatabaseSchema, args: Namespace) -> None:
    schema.stamp(args.revision)
    _current(schema, args)
