"""``winchester init``: a configuration to begin with."""

from __future__ import annotations

import json
import os
import shlex
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import DocumentedCommand
from winchester_core.errors import WinchesterError
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SETTINGS: Final = "winchester.yaml"
EVENTS: Final = "events.jsonl"
FILES: Final = (SETTINGS, "triggers.yaml", "pipelines.yaml", EVENTS)
DATABASE: Final = "winchester.db"
DATABASE_URL: Final = "@DATABASE_URL@"
"""What stands in the settings where the URL of the database belongs."""
FILE_MODE: Final = 0o640


class InitCommand(DocumentedCommand):
    """Write a configuration to begin with.

    Into the directory DIR, which is made if need be: winchester.yaml, triggers.yaml and
    pipelines.yaml, each with comments, and a few events to try them with. They work as they
    stand, on an SQLite database in the same directory. A file that is there already is never
    overwritten: nothing is written then. The next three commands are printed; they can be pasted.
    """

    examples = (
        "winchester init orders",
        "winchester init .",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("directory", metavar="DIR", help="where to write")
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Write the files and print what to do next."""
        directory = Path(parsed_args.directory)
        contents = {name: _content(name, directory) for name in FILES}
        _write(directory, contents)
        print(f"written in {directory}: {', '.join(FILES)}", "", sep="\n")
        print("The next three commands make the database, replay the events, and show the streams:")
        print("", *next_commands(directory), sep="\n")
        return DONE


def next_commands(directory: Path) -> list[str]:
    """What to do when the files are there, to be pasted into a shell."""
    settings = shlex.quote(str(directory / SETTINGS))
    events = shlex.quote(str(directory / EVENTS))
    return [
        f"winchester_db -c {settings} upgrade head",
        f"winchester replay -c {settings} --file {events}",
        f"winchester stream list -c {settings}",
    ]


def _content(name: str, directory: Path) -> str:
    text = files("winchester_core.cli.starter").joinpath(name).read_text(encoding="utf-8")
    return text.replace(DATABASE_URL, _quoted_url(directory)) if name == SETTINGS else text


def _quoted_url(directory: Path) -> str:
    """The URL of the database, as it is written in YAML; absolute, to hold wherever one is."""
    path = str(directory.resolve() / DATABASE)
    if "?" in path or not path.isprintable():
        raise UsageError(
            f"{directory}: a database's URL cannot name such a directory; choose one without "
            "question versions and control characters in its path"
        )
    return json.dumps(f"sqlite:///{path}".replace("${", "$${"), ensure_ascii=False)


def _write(directory: Path, contents: dict[str, str]) -> None:
    """Write all files, or none. Raises `WinchesterError`, `OSError`."""
    there = [name for name in (*contents, DATABASE) if os.path.lexists(directory / name)]
    if there:
        raise WinchesterError(
            f"{directory} holds {', '.join(there)} already, and nothing is overwritten: "
            "name another directory, or move that away"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
