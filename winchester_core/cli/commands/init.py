"""``winchester init``: create an initial configuration."""

from __future__ import annotations

import json
import os
import shlex
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import DocumentedCommand
from winchester_core.cli.options import Argument
from winchester_core.errors import WinchesterError
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

SETTINGS: Final = "winchester.yaml"
EVENTS: Final = "events.jsonl"
FILES: Final = (SETTINGS, "triggers.yaml", "pipelines.yaml", EVENTS)
DATABASE: Final = "winchester.db"
DATABASE_URL: Final = "@DATABASE_URL@"
"""Placeholder of the database URL in the settings file."""
FILE_MODE: Final = 0o640


class InitCommand(DocumentedCommand):
    """Create an initial configuration.

    Writes winchester.yaml, triggers.yaml and pipelines.yaml, with comments, and some sample events
    into the directory DIR. If necessary, the directory is created. The files work unchanged, with
    an SQLite database in the same directory. If one of the files exists already, nothing is
    written. Prints the next three commands, ready to paste.
    """

    examples = (
        "winchester init orders",
        "winchester init .",
    )
    arguments = (Argument("directory DIR", "the directory to write to"),)

    def take_action(self, parsed_args: Namespace) -> int:
        """Write the files and print the next commands.

        Raises `WinchesterError` if one of the files, or the database, exists; `OSError`.
        """
        directory = Path(parsed_args.directory)
        templates = resources.files("winchester_core.cli.starter")
        contents = {name: templates.joinpath(name).read_text(encoding="utf-8") for name in FILES}
        contents[SETTINGS] = contents[SETTINGS].replace(DATABASE_URL, _quoted_url(directory))
        existing = [name for name in (*FILES, DATABASE) if os.path.lexists(directory / name)]
        if existing:
            raise WinchesterError(
                f"{directory} already contains {', '.join(existing)}, and nothing is overwritten: "
                "choose another directory, or move the existing files"
            )
        directory.mkdir(parents=True, exist_ok=True)
        create_files(directory, contents)
        settings, events = (shlex.quote(str(directory / name)) for name in (SETTINGS, EVENTS))
        print(
            "The next three commands create the database, replay the events, and list the streams:",
            "",
            f"winchester_db -c {settings} upgrade head",
            f"winchester replay -c {settings} --file {events}",
            f"winchester stream list -c {settings}",
            sep="\n",
        )
        return DONE


def _quoted_url(directory: Path) -> str:
    """Return the database URL, quoted for YAML. Its path is absolute, for any working directory."""
    path = str(directory.resolve() / DATABASE)
    if "?" in path or not path.isprintable():
        raise UsageError(
            f"{directory}: a database URL cannot contain this path; choose a directory without "
            "question marks and control characters in its path"
        )
    return json.dumps(f"sqlite:///{path}".replace("${", "$${"), ensure_ascii=False)


def create_files(directory: Path, contents: Mapping[str, str]) -> None:
    """Write new files that others cannot read, and print their names. Raises `OSError`."""
    for name, text in contents.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    print(f"written in {directory}: {', '.join(contents)}", "", sep="\n")
