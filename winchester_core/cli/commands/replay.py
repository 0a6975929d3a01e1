"""``winchester replay``: ingest recorded messages and process their streams in one process."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.input_options import (
    PACE_OPTIONS,
    REQUIRED_FILE_OPTIONS,
    open_file_source,
    parts_of_format,
    replay_pace,
)
from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import ObjectShow, count_lines
from winchester_core.cli.terminal import progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping

    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplaySummary

PROGRAM: Final = "winchester-replay"


class ReplayCommand(ObjectShow):
    """Replay recorded events or notifications.

    Ingest and a worker take turns on the event clock, regardless of the setting clock: stream time
    follows the timestamps of the messages. After each --step of stream time, the worker runs until
    it is idle. At the end, stream time advances by --advance in steps of --advance-step, and the
    worker runs after each step. So a recorded week takes a minute and gives the same result as
    live. The command waits for retries of failed pipelines. Invalid messages are stored as rejected
    messages.
    """

    examples = (
        "winchester replay -c winchester.yaml --file notifications.jsonl.gz",
        "winchester replay -c winchester.yaml --file day.jsonl --step 10m --advance 2d -f json",
    )

    arguments = (*REQUIRED_FILE_OPTIONS, *PACE_OPTIONS)
    lines: Mapping[str, Callable[[Any], Iterable[Any]]] = {"new_events": count_lines}

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Replay and return the summary. Raises `WinchesterError` when interrupted."""
        needs = ("database", "triggers", "pipelines", *parts_of_format(parsed_args))
        settings = load_configuration(parsed_args, needs=needs, ignores=["sources"])
        stop = threading.Event()
        with progress_bar("replay") as show_progress:
            summary = _replay(settings, parsed_args, stop, show_progress)
        if stop.is_set():
            raise WinchesterError(f"interrupted after {summary.messages} messages")
        return dataclasses.asdict(summary)


def _replay(
    settings: Settings,
    args: Namespace,
    stop: threading.Event,
    on_batch: Callable[[int], None],
) -> ReplaySummary:
    from winchester_core import bootstrap
    from winchester_core.config import configure_logging
    from winchester_core.ingest.replay import Replayer

    configure_logging(settings, PROGRAM)
    source = open_file_source(args, settings)
    with closing(bootstrap.open_store(settings)) as store:
        clock = bootstrap.replay_clock(store)
        ingester = bootstrap.make_ingester(settings, store, clock)
        worker = bootstrap.make_worker(settings, store, clock)
        replayer = Replayer(
            source,
            ingester,
            worker,
            pace=replay_pace(args, settings),
            stop=stop,
            on_batch=on_batch,
        )

        def stop_all() -> None:
            stop.set()
            worker.stop()

        with shutdown_on_signals(
            ShutdownPlan(stop_all, settings.shutdown_timeout, release=worker.release_all)
        ):
            tune_garbage_collector()
            return replayer.run()
