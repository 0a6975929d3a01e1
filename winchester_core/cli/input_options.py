"""Options for a file of events or notifications, and for the pace of a replay."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import positive_number, suggest_path
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind
from winchester_core.service.exit import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.config import Part, Settings
    from winchester_core.ingest.replay import ReplayPace
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
        help="the kind of messages in the file (default: notification if distiller_config is set "
        "and --datetime-trait is not given; else event)",
    )
    parser.add_argument(
        "--datetime-trait",
        metavar="NAME",
        action="append",
        default=[],
        help="a datetime trait of the file's events. Repeatable",
    )


def parts_of_format(args: Namespace) -> tuple[Part, ...]:
    """Return the parts of the configuration that the options of ``--file`` require."""
    reads_notifications = args.format == MessageKind.NOTIFICATION and not args.datetime_trait
    return ("distiller",) if reads_notifications else ()


def open_file_source(args: Namespace, settings: Settings, *, follow: bool = False) -> EventSource:
    """Return the source of ``--file``, not opened yet.

    With `follow`, the file need not exist yet. Raises `UsageError`, `PluginError`, `SourceError`.
    """
    from winchester_core.plugins import EVENT_SOURCES, import_plugin

    if args.datetime_trait and args.format == MessageKind.NOTIFICATION:
        raise UsageError(
            "--datetime-trait is for events: event definitions give the types of notifications"
        )
    if not follow:
        _check_file(args.file)
    is_distilled = settings.event_definitions is not None and not args.datetime_trait
    kind = MessageKind.NOTIFICATION if is_distilled else MessageKind.EVENT
    source: EventSource = import_plugin(EVENT_SOURCES, "jsonl")(
        path=args.file,
        format=args.format or kind.value,
        follow=follow,
        datetime_traits=args.datetime_trait,
    )
    return source


def _check_file(name: str) -> None:
    """Raise `SourceError` for a missing file; the source itself checks everything else."""
    path = Path(name)
    if name == STDIN or os.path.lexists(path):
        return
    hint = suggest_path(path) or "a relative path starts from the working directory"
    raise SourceError(name, f"there is no such file; {hint}")


def add_pace_options(parser: ArgumentParser) -> None:
    """Add ``--step``, ``--advance``, ``--advance-step`` and ``--batch-size``."""
    parser.add_argument(
        "--step",
        type=_duration,
        metavar="DURATION",
        default=timedelta(hours=1),
        help="stream time between runs of the worker (default: 1h)",
    )
    parser.add_argument(
        "--advance",
        type=_duration_or_zero,
        metavar="DURATION",
        default=timedelta(days=5),
        help="how far to advance the clock after the last message (default: 5d; 0: not at all)",
    )
    parser.add_argument(
        "--advance-step",
        type=_duration,
        metavar="DURATION",
        default=timedelta(days=1),
        help="step of that advance (default: 1d)",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=positive_number,
        help="messages per transaction (default: ingest_batch_size)",
    )


def replay_pace(args: Namespace, settings: Settings) -> ReplayPace:
    """Return the pace that the options give."""
    from winchester_core.ingest.replay import ReplayPace

    return ReplayPace(
        step=args.step,
        advance=args.advance,
        advance_step=args.advance_step,
        batch_size=args.batch_size or settings.ingest_batch_size,
    )


def _duration_or_zero(text: str) -> timedelta:
    return timedelta(0) if text.strip() == "0" else _duration(text)


def _duration(text: str) -> timedelta:
    from voluptuous import Invalid

    from winchester_core.config.values import duration

    try:
        parsed = duration(positive=True)(text)
    except Invalid as invalid:
        raise argparse.ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    assert isinstance(parsed, timedelta)  # noqa: S101 - voluptuous validators are untyped
    return parsed
