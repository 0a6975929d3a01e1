"""Options for a file of events or notifications, and for the pace of a replay."""

from __future__ import annotations

import argparse
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import Argument, Repeated, positive_number, suggest_path
from winchester_core.errors import SourceError
from winchester_core.model.message import Message, MessageKind
from winchester_core.service.exit import UsageError
from winchester_core.suggestions import unknown_name_message

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from winchester_core.config import Part, Settings
    from winchester_core.ingest.replay import ReplayPace
    from winchester_core.interfaces import EventSource


STDIN: Final = "-"
MESSAGES_PER_READ: Final = 1000
MAX_OBJECT_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a file that is read as a single object."""


FILE_HELP: Final = "the file or directory; - is standard input"
FORMAT_OPTIONS: Final = (
    Argument(
        "--format",
        "the kind of messages in the file (default: notification if distiller_config is set "
        "and --datetime-trait is not given; else event)",
        choices=[kind.value for kind in MessageKind],
    ),
    Repeated("--datetime-trait NAME", "a datetime trait of the file's events. Repeatable"),
    Repeated(
        "--mapping NAME",
        "the mapping that makes events of the file's messages, instead of --format. Repeatable: "
        "mappings are tried in order",
    ),
)
FILE_OPTIONS: Final = (Argument("--file PATH", FILE_HELP), *FORMAT_OPTIONS)
REQUIRED_FILE_OPTIONS: Final = (
    Argument("--file PATH", FILE_HELP, required=True),
    *FORMAT_OPTIONS,
)


def check_mapping_names(settings: Settings, names: Sequence[str]) -> None:
    """Raise `UsageError` for a value of ``--mapping`` that is no mapping."""
    from winchester_core.mapping import ready_mapping_names

    known = {*settings.mapping_definitions, *ready_mapping_names()}
    for name in names:
        if name not in known:
            raise UsageError(f"--mapping: {unknown_name_message('mapping', name, known)}")


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
    if args.mapping and (args.format or args.datetime_trait):
        raise UsageError("--format and --datetime-trait have no effect with --mapping")
    check_mapping_names(settings, args.mapping)
    if not follow:
        _check_file(args.file)
    is_distilled = settings.event_definitions is not None and not args.datetime_trait
    kind = MessageKind.NOTIFICATION if is_distilled else MessageKind.EVENT
    source: EventSource = import_plugin(EVENT_SOURCES, "jsonl")(
        path=args.file,
        format=args.format or kind.value,
        follow=follow,
        datetime_traits=args.datetime_trait,
        mapping=args.mapping,
    )
    return source


def read_messages(path: str) -> Iterator[Message]:
    """Yield the messages of a file: its only JSON document, or one for each line or element.

    Raises `SourceError`.
    """
    from winchester_core.plugins import EVENT_SOURCES, import_plugin

    _check_file(path)
    if path != STDIN and (document := _single_object(Path(path))) is not None:
        yield Message(document, MessageKind.EVENT, received_from=path)
        return
    source: EventSource = import_plugin(EVENT_SOURCES, "jsonl")(path=path)
    source.open()
    try:
        while not source.exhausted:
            messages = source.receive(MESSAGES_PER_READ, 1.0)
            source.ack(messages)
            yield from messages
    finally:
        source.close()


def _single_object(path: Path) -> bytes | None:
    """Return the content of a small file if it is a single JSON object, on any number of lines."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_OBJECT_BYTES:
            return None
        content = path.read_bytes()
        return content if isinstance(json.loads(content), dict) else None
    except (OSError, ValueError, RecursionError):  # the source reports it, or it has several lines
        return None


def _check_file(name: str) -> None:
    """Raise `SourceError` if the file is missing; the source itself checks everything else."""
    path = Path(name)
    if name == STDIN or os.path.lexists(path):
        return
    hint = suggest_path(path) or "a relative path starts from the working directory"
    raise SourceError(name, f"there is no such file; {hint}")


def _duration_or_zero(text: str) -> timedelta:
    return timedelta(0) if text.strip() == "0" else _duration(text)


def _duration(text: str) -> timedelta:
    from voluptuous import Invalid

    from winchester_core.interfaces.params import duration

    try:
        parsed = duration(positive=True)(text)
    except Invalid as invalid:
        raise argparse.ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    assert isinstance(parsed, timedelta)  # noqa: S101 - voluptuous validators are untyped
    return parsed


PACE_OPTIONS: Final = (
    Argument(
        "--step DURATION",
        "stream time between runs of the worker (default: 1h)",
        type=_duration,
        default=timedelta(hours=1),
    ),
    Argument(
        "--advance DURATION",
        "how far to advance the clock after the last message (default: 5d; 0: do not advance it)",
        type=_duration_or_zero,
        default=timedelta(days=5),
    ),
    Argument(
        "--advance-step DURATION",
        "size of each step of --advance (default: 1d)",
        type=_duration,
        default=timedelta(days=1),
    ),
    Argument(
        "--batch-size N",
        "messages per transaction (default: ingest_batch_size)",
        type=positive_number,
    ),
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
