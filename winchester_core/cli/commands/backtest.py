"""``winchester backtest``: what changed triggers would have made of the past."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.input_options import (
    STDIN,
    add_file_options,
    add_pace_options,
    open_file_source,
    replay_pace,
)
from winchester_core.cli.options import existing_config_path, load_configuration
from winchester_core.cli.output import ObjectShow, join_lines
from winchester_core.cli.terminal import logging_disabled, progress_bar
from winchester_core.cli.values import iso_text, parse_time_before, to_json_value
from winchester_core.errors import WinchesterError
from winchester_core.service.exit import UsageError
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from winchester_core.backtest import ReplayResult, StreamDifference
    from winchester_core.backtest.outcomes import StreamOutcome
    from winchester_core.config import Part, Settings
    from winchester_core.interfaces import EventSource

WITHOUT_HANDLERS: Final[tuple[Part, ...]] = ("pipelines", "sources")
MAX_SHOWN_STREAMS: Final = 50
"""How many streams a table shows; JSON and YAML have all."""


class BacktestCommand(ObjectShow):
    """Tell what changed triggers would have made of the past.

    Replays recorded messages (--file) or the events that the database of -c holds (--from-db)
    twice, under the configurations -c and --against, as 'winchester replay' does, and shows which
    streams differ: which would newly fire, expire, stay open or vanish, hold other events, or
    fire or expire at another time. Without --against, every stream is new.

    It has no effect: each replay has a temporary database of its own; no handler is made, so that
    new events of handlers do not come; of the database of -c it only reads.
    """

    examples = (
        "winchester backtest -c winchester.yaml --against live.yaml --file day.jsonl.gz",
        "winchester backtest -c winchester.yaml --against live.yaml --from-db --since 2d -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--against", metavar="FILE", help="the configuration that -c is compared with"
        )
        add_file_options(parser, required=False)
        parser.add_argument(
            "--from-db",
            action="store_true",
            help="replay what the database of -c holds, in the order in which it was stored",
        )
        moment = "an ISO 8601 time (UTC without offset), or a duration before now, as in 2d"
        parser.add_argument(
            "--since", metavar="WHEN", help=f"with --from-db: no earlier events: {moment}"
        )
        parser.add_argument(
            "--until", metavar="WHEN", help="with --from-db: only events before this"
        )
        add_pace_options(parser)
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The difference. Raises `WinchesterError` when it was interrupted."""
        from winchester_core.backtest import compare_replays

        _check_usage(parsed_args)
        new, old = _settings_of(parsed_args)
        with ExitStack() as stack:
            stack.enter_context(logging_disabled(unless=parsed_args.debug))
            stop = threading.Event()
            stack.enter_context(shutdown_on_signals(ShutdownPlan(stop.set, new.shutdown_timeout)))
            stored = _stored_events(stack, new, parsed_args) if parsed_args.from_db else None

            def replay(settings: Settings) -> ReplayResult:
                source = stored or open_file_source(parsed_args, settings)
                return _replay(stack, settings, source, parsed_args, stop)

            before = None if old is None else replay(old)
            after = replay(new)
            return _result(before, after, compare_replays(before, after))

    def cell(self, name: str, value: Any) -> Any:
        """A value; of numbers by name and of streams, a line for each."""
        if name == "streams":
            shown = [_stream_line(each) for each in value[:MAX_SHOWN_STREAMS]]
            left = len(value) - MAX_SHOWN_STREAMS
            return join_lines([*shown, f"and {left} more (-f json)"] if left > 0 else shown)
        if isinstance(value, dict):
            return join_lines(f"{each}: {number}" for each, number in value.items())
        return super().cell(name, value)


def _check_usage(args: Namespace) -> None:
    if (args.file is None) != args.from_db:
        raise UsageError("what to replay is said by --file or by --from-db, one of them")
    if args.file == STDIN:
        raise UsageError("--file -: it is read twice, which standard input cannot be")
    if args.from_db and (args.format or args.datetime_trait):
        raise UsageError("--format and --datetime-trait are for a --file")
    if not args.from_db and (args.since or args.until):
        raise UsageError("--since and --until are for --from-db")


def _settings_of(args: Namespace) -> tuple[Settings, Settings | None]:
    """Those of -c, and of --against if that is given."""
    from winchester_core.bootstrap import load_settings

    needs: tuple[Part, ...] = ("database", "triggers") if args.from_db else ("triggers",)
    new = load_configuration(args, needs=needs, ignores=WITHOUT_HANDLERS)
    if args.against is None:
        return new, None
    path = existing_config_path(args.against)
    return new, load_settings(path, needs=["triggers"], ignores=WITHOUT_HANDLERS)


def _stored_events(stack: ExitStack, settings: Settings, args: Namespace) -> EventSource:
    """What the database holds, in the span that is asked for."""
    from winchester_core.backtest import StoredEventSource
    from winchester_core.bootstrap import open_store, stream_clock
    from winchester_core.storage.records import EventFilter

    store = stack.enter_context(closing(open_store(settings)))

    def now() -> datetime:
        time = stream_clock(settings, store).now()
        if time is None:
            raise UsageError("the event clock is not set yet: give a time, not a duration")
        return time

    since, until = (
        None if text is None else parse_time_before(text, now) for text in (args.since, args.until)
    )
    return StoredEventSource(store, EventFilter(since=since, until=until))


def _replay(
    stack: ExitStack,
    settings: Settings,
    source: EventSource,
    args: Namespace,
    stop: threading.Event,
) -> ReplayResult:
    from winchester_core.backtest import Backtest as Backtesting

    backtest = stack.enter_context(Backtesting(replay_pace(args, settings), stop))
    with progress_bar(f"replay under {settings.name}") as show:
        replayed = backtest.run(settings, source, show)
    if stop.is_set():
        raise WinchesterError(f"interrupted after {replayed.summary.messages} messages")
    return replayed


def _result(
    before: ReplayResult | None, after: ReplayResult, changes: Iterable[StreamDifference]
) -> dict[str, Any]:
    streams = [_difference_row(change) for change in changes]
    return {
        "messages": after.summary.messages,
        "stored": after.summary.stored,
        "before": None if before is None else before.numbers,
        "after": after.numbers,
        "changes": dict(Counter(kind for each in streams for kind in each["change"])),
        "streams": streams,
    }


def _difference_row(change: StreamDifference) -> dict[str, Any]:
    return {
        "change": [kind.value for kind in change.kinds],
        "trigger": change.stream.trigger,
        "distinguished_by": to_json_value(change.stream.distinguished_by),
        "before": _outcome(change.before),
        "after": _outcome(change.after),
        "events_added": list(change.added),
        "events_removed": list(change.removed),
    }


def _outcome(stream: StreamOutcome | None) -> dict[str, Any] | None:
    if stream is None:
        return None
    return {
        "outcome": stream.outcome.value,
        "at": iso_text(stream.at),
        "first_event": iso_text(stream.first_event),
        "event_count": stream.event_count,
        "distinguished_by": to_json_value(stream.distinguished_by),
    }


def _stream_line(stream: Mapping[str, Any]) -> str:
    """A stream that differs, on one line."""
    before, after = (_outcome_text(stream[key]) for key in ("before", "after"))
    events = "".join(_event_lines(stream))
    group = ", ".join(
        f"{name}={' to '.join(value) if isinstance(value, list) else value}"
        for name, value in stream["distinguished_by"].items()
    )
    change = "+".join(stream["change"])
    return f"{change}: {stream['trigger']} ({group}): {before} -> {after}{events}"


def _outcome_text(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "none"
    number = outcome["event_count"]
    return f"{outcome['outcome']} at {outcome['at']}, {number} event{'' if number == 1 else 's'}"


def _event_lines(stream: Mapping[str, Any]) -> Iterator[str]:
    for sign, key in (("+", "events_added"), ("-", "events_removed")):
        if stream[key] and stream["before"] and stream["after"]:
            yield f", {sign}{len(stream[key])}"
