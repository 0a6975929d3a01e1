"""The program ``winchester_db``: create, migrate and inspect the database schema."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import (
    ALL_BUT_DATABASE,
    add_config_option,
    add_debug_option,
    load_configuration,
)
from winchester_core.cli.terminal import configure_terminal
from winchester_core.service.exit import DONE, UsageError, run_guarded
from winchester_core.service.garbage_collector import defer_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.storage.sql.schema import DatabaseSchema

PROGRAM: Final = "winchester_db"

DESCRIPTION: Final = """\
Create, migrate and inspect the database schema. Of the configuration, only
winchester.yaml is read; the files that it names need not be valid yet.
"""

EPILOG: Final = """\
examples:
  winchester_db -c winchester.yaml upgrade head
  winchester_db -c winchester.yaml upgrade --sql head > tables.sql
  winchester_db -c winchester.yaml current
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the action in `argv` (default: the process's arguments); return the exit status."""
    defer_garbage_collection()
    configure_terminal(PROGRAM)
    args = build_parser().parse_args(argv)
    return run_guarded(lambda: _run(args), program=PROGRAM, args=args)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options and arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    add_debug_option(parser)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    upgrade = _action(actions, "upgrade", _upgrade, "migrate up to a revision")
    upgrade.add_argument("revision", metavar="REV", nargs="?", default="head", help="default: head")
    _add_sql_option(upgrade, "print the SQL for an empty database instead of running it")

    downgrade = _action(actions, "downgrade", _downgrade, "migrate down to a revision")
    downgrade.add_argument("revision", metavar="REV", help="'base' drops all tables and their data")
    _add_sql_option(downgrade, "print the SQL instead of running it; REV is then FROM:TO")

    _action(actions, "current", _current, "print the database's revision")
    _action(actions, "history", _history, "print every revision, newest first")

    stamp = _action(actions, "stamp", _stamp, "record a revision without migrating")
    stamp.add_argument("revision", metavar="REV", help="the revision to record")
    return parser


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[DatabaseSchema, argparse.Namespace], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary, description=f"{summary}.".capitalize())
    parser.set_defaults(run=run, sql=False)
    return parser


def _add_sql_option(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("--sql", action="store_true", help=help_text)


def _run(args: argparse.Namespace) -> int:
    settings = load_configuration(args, ignores=ALL_BUT_DATABASE)
    from winchester_core.bootstrap import open_database
    from winchester_core.storage.sql.schema import DatabaseSchema

    database = open_database(settings)
    try:
        args.run(DatabaseSchema(database, sys.stdout if args.sql else None), args)
    finally:
        database.close()
    return DONE


def _upgrade(schema: DatabaseSchema, args: argparse.Namespace) -> None:
    if args.sql:
        schema.print_upgrade(args.revision)
    else:
        schema.upgrade(args.revision)
        _current(schema, args)


def _downgrade(schema: DatabaseSchema, args: argparse.Namespace) -> None:
    if not args.sql:
        schema.downgrade(args.revision)
        _current(schema, args)
    elif ":" not in args.revision:
        raise UsageError("downgrade --sql requires the revisions as FROM:TO")
    else:
        schema.print_downgrade(args.revision)


def _current(schema: DatabaseSchema, _args: argparse.Namespace) -> None:
    current, required = schema.current_revision(), schema.required_revision
    is_required = current == required
    note = "head, as required by this program" if is_required else f"this program needs {required}"
    print(f"{current or 'no tables yet'} ({note})")


def _history(schema: DatabaseSchema, _args: argparse.Namespace) -> None:
    for revision, title in schema.history():
        print(f"{revision}  {title}")


def _stamp(schema: DatabaseSchema, args: argparse.Namespace) -> None:
    schema.stamp(args.revision)
    _current(schema, args)
