"""``winchester backtest``: compare two configurations on recorded messages or stored events."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli import input_options
from winchester_core.cli.options import Argument, Flag, existing_config_path, load_configuration
from winchester_core.cli.output import ObjectShow, count_lines
from winchester_core.cli.session import StoreSession
from winchester_core.cli.terminal import logging_disabled, progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.inspection.values import TIME_OR_DURATION, flat_object
from winchester_core.service.exit import UsageError
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.backtest import ReplayResult, StreamDifference
    from winchester_core.backtest.replayed_streams import ReplayedStream
    from winchester_core.config import Part, Settings
    from winchester_core.interfaces import EventSource

IGNORED_PARTS: Final[tuple[Part, ...]] = ("pipelines", "sources")
MAX_SHOWN_STREAMS: Final = 50
"""Maximum number of streams in a table; JSON and YAML contain all streams."""


def _stream_line(stream: Mapping[str, Any]) -> str:
    before, after = (_outcome_text(stream[key]) for key in ("before", "after"))
    both = stream["before"] and stream["after"]
    events = "".join(
        f", {sign}{len(stream[key])}"
        for sign, key in (("+", "events_added"), ("-", "events_removed"))
        if both and stream[key]
    )
    group = ", ".join(
        f"{name}={' to '.join(value) if isinstance(value, list) else value}"
        for name, value in stream["distinguished_by"].items()
    )
    change = "+".join(stream["change"])
    return f"{change}: {stream['trigger']} ({group}): {before} -> {after}{events}"


def _outcome_text(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "none"
    count = outcome["event_count"]
    return f"{outcome['outcome']} at {outcome['at']}, {count} event{'' if count == 1 else 's'}"


def _shown_lines(streams: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from map(_stream_line, streams[:MAX_SHOWN_STREAMS])
    if len(streams) > MAX_SHOWN_STREAMS:
        yield f"and {len(streams) - MAX_SHOWN_STREAMS} more (-f json)"


class BacktestCommand(ObjectShow):
    """Show how changed triggers would have processed past events.

    Replays recorded messages (--file) or the events in the database of -c (--from-db) twice, under
    the configurations --against and -c, as 'winchester replay' does. It then shows the streams that
    differ: streams that would newly fire, expire, be cancelled, be suppressed or stay open, that no
    longer exist, that contain different events, or that fire or expire at a different time. Without
    --against, every stream is new. Each replay begins with no silence, even if groups are silent in
    the database of -c; if a trigger has suppress, notes says so.

    Nothing is changed: each replay uses its own temporary database, and the database of -c is only
    read. Handlers do not run, so the events that they would create are missing.
    """

    examples = (
        "winchester backtest -c winchester.yaml --against live.yaml --file day.jsonl.gz",
        "winchester backtest -c winchester.yaml --against live.yaml --from-db --since 2d -f json",
    )
    arguments = (
        Argument("--against FILE", "the configuration with which -c is compared"),
        *input_options.FILE_OPTIONS,
        Flag(
            "--from-db",
            "replay the events in the database of -c, in the order in which they were stored",
        ),
        Argument(
            "--since WHEN",
            f"with --from-db: only events at or after this time: {TIME_OR_DURATION}, such as 2d",
        ),
        Argument("--until WHEN", "with --from-db: only events before this time"),
        *input_options.PACE_OPTIONS,
    )
    lines = {
        "streams": _shown_lines,
        "notes": iter,
        **dict.fromkeys(("before", "after", "changes"), count_lines),
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the differences. Raises `WinchesterError` when interrupted."""
        from winchester_core.backtest import Backtest, compare_replays

        _check_usage(parsed_args)
        new, old = _settings_of(parsed_args)
        stop = threading.Event()
        with ExitStack() as stack:
            stack.enter_context(logging_disabled(unless=parsed_args.debug))
            stack.enter_context(shutdown_on_signals(ShutdownPlan(stop.set, new.shutdown_timeout)))
            stored = _stored_events(stack, new, parsed_args) if parsed_args.from_db else None

            def replay(settings: Settings) -> ReplayResult:
                source = stored or input_options.open_file_source(parsed_args, settings)
                backtest = stack.enter_context(
                    Backtest(input_options.replay_pace(parsed_args, settings), stop)
                )
                with progress_bar(f"replay under {settings.name}") as show:
                    replayed = backtest.run(settings, source, show)
                if stop.is_set():
                    raise WinchesterError(f"interrupted after {replayed.summary.messages} messages")
                return replayed

            before = None if old is None else replay(old)
            after = replay(new)
            streams = [_difference_row(each) for each in compare_replays(before, after)]
        return {
            **flat_object(after.summary, "messages stored"),
            "before": None if before is None else before.numbers,
            "after": after.numbers,
            "changes": dict(Counter(kind for each in streams for kind in each["change"])),
            "notes": _notes(*(each for each in (old, new) if each is not None)),
            "streams": streams,
        }


def _notes(*configurations: Settings) -> list[str]:
    """Return what limits the comparison."""
    silencing = {
        trigger["name"]: None
        for settings in configurations
        for trigger in settings.trigger_definitions
        if trigger.get("suppress")
    }
    if not silencing:
        return []
    return [
        (
            "each replay begins with no silence, so the first stream of a group that meets its "
            f"criteria is never suppressed (triggers with suppress: {', '.join(silencing)})"
        )
    ]


def _check_usage(args: Namespace) -> None:
    if (args.file is None) != args.from_db:
        raise UsageError("specify either --file or --from-db")
    if args.file == input_options.STDIN:
        raise UsageError("--file -: standard input cannot be read twice")
    if args.from_db and (args.format or args.datetime_trait):
        raise UsageError("--format and --datetime-trait require --file")
    if not args.from_db and (args.since or args.until):
        raise UsageError("--since and --until require --from-db")


def _settings_of(args: Namespace) -> tuple[Settings, Settings | None]:
    """Return the settings of -c and of --against (None if not given)."""
    from winchester_core.bootstrap import load_settings

    needs: tuple[Part, ...] = ("triggers", *input_options.parts_of_format(args))
    database: tuple[Part, ...] = ("database",) if args.from_db else ()
    new = load_configuration(args, needs=(*database, *needs), ignores=IGNORED_PARTS)
    if args.against is None:
        return new, None
    path = existing_config_path(args.against)
    return new, load_settings(path, needs=needs, ignores=(*IGNORED_PARTS, "console"))


def _stored_events(stack: ExitStack, settings: Settings, args: Namespace) -> EventSource:
    """Return a source of the stored events between ``--since`` and ``--until``."""
    from winchester_core.backtest import StoredEventSource
    from winchester_core.storage.filters import EventFilter

    session = stack.enter_context(StoreSession(args, settings=settings))
    since, until = session.parse_time(args.since), session.parse_time(args.until)
    return StoredEventSource(session.store, EventFilter(since=since, until=until))


def _outcome_row(stream: ReplayedStream | None) -> dict[str, Any] | None:
    if stream is None:
        return None
    return flat_object(stream, "outcome at first_event event_count distinguished_by")


def _difference_row(change: StreamDifference) -> dict[str, Any]:
    return {
        "change": [kind.value for kind in change.kinds],
        **flat_object(change, "stream.trigger stream.distinguished_by"),
        "before": _outcome_row(change.before),
        "after": _outcome_row(change.after),
        "events_added": list(change.added),
        "events_removed": list(change.removed),
    }
