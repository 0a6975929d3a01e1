"""The options that name a file of events or notifications, and the source that reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import meant_instead
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.config import Settings
    from winchester_core.interfaces import EventSource

STDIN: Final = "-"


def add_file_options(parser: ArgumentParser, *, required: bool) -> None:
    """Add ``--file``, ``--format`` and ``--datetime-trait``."""
    parser.add_argument(
        "--file",
        metavar="PATH",
        required=required,
        help="the file or directory; - is standard input",
    )
    parser.add_argument(
        "--format",
        choices=[kind.value for kind in MessageKind],
        help="what the file holds (default: notification when distiller_config is set, unless "
        "there is a --datetime-trait; else event)",
    )
    parser.add_argument(
        "--datetime-trait",
        metavar="NAME",
        action="append",
        default=[],
        help="a trait of the file's events that is a datetime. Repeated: all of them",
    )


def open_file_source(args: Namespace, settings: Settings, *, follow: bool = False) -> EventSource:
    """The source of ``--file``, made but not opened. Raises `PluginError`, `SourceError`.

    One that is to be followed need not be there yet.
    """
    from winchester_core.plugins import EVENT_SOURCES, import_plugin

    if not follow:
        _check_path(args.file)
    is_distilled = settings.event_definitions is not None and not args.datetime_trait
    kind = MessageKind.NOTIFICATION if is_distilled else MessageKind.EVENT
    source: EventSource = import_plugin(EVENT_SOURCES, "jsonl")(
        path=args.file,
        format=args.format or kind.value,
        follow=follow,
        datetime_traits=args.datetime_trait,
    )
    return source


def _check_path(name: str) -> None:
    """Tell at once of a file that is not there; what else is wrong the source tells."""
    path = Path(name)
    if name == STDIN or os.path.lexists(path):
        return
    hint = meant_instead(path) or "a relative path starts from the working directory"
    raise SourceError(name, f"there is no such file; {hint}")
