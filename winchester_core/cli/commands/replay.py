"""``winchester replay``: recorded messages as if they came now, with workers, in one process."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.input_options import (
    add_file_options,
    add_pace_options,
    open_file_source,
    replay_pace,
)
from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import ObjectShow, join_lines
from winchester_core.cli.terminal import progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplaySummary

PROGRAM: Final = "winchester-replay"


class ReplayCommand(ObjectShow):
    """Replay recorded events or notifications.

    Ingest and worker take turns on the event clock, whatever the setting clock says: time is that
    of the messages as they are read. Whenever it enters a new --step, the worker runs until
    nothing is left to do; at the end time goes on by --advance, in strides of --advance-step, the
    worker after each. So a recorded week passes in a minute, with the result that it had live.
    Retries of failed pipelines are waited for. A message that cannot be used is kept as a
    rejected message.
    """

    examples = (
        "winchester replay -c winchester.yaml --file notifications.jsonl.gz",
        "winchester replay -c winchester.yaml --file day.jsonl --step 10m --advance 2d -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        add_file_options(parser, required=True)
        add_pace_options(parser)
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """Replay; show what happened. Raises `WinchesterError` when it was interrupted."""
        settings = load_configuration(
            parsed_args, needs=["database", "triggers", "pipelines"], ignores=["sources"]
        )
        stop = threading.Event()
        with progress_bar("replay") as show:
            summary = _replay(settings, parsed_args, stop, show)
        if stop.is_set():
            raise WinchesterError(f"interrupted after {summary.messages} messages")
        return dataclasses.asdict(summary)

    def cell(self, name: str, value: Any) -> Any:
        """A value; of numbers by name, a line for each."""
        if isinstance(value, dict):
            return join_lines(f"{each}: {number}" for each, number in value.items())
        return super().cell(name, value)


def _replay(
    settings: Settings, args: Namespace, stop: threading.Event, show: Callable[[int], None]
) -> ReplaySummary:
    from winchester_core import bootstrap, ingest, worker
    from winchester_core.config import configure_logging
    from winchester_core.ingest.pump import SourcePump
    from winchester_core.ingest.replay import Replayer as Replaying

    configure_logging(settings, PROGRAM)
    source = open_file_source(args, settings)
    with closing(bootstrap.open_store(settings)) as store:
        clock = bootstrap.replay_clock(store)
        manager = ingest.Ingester(**bootstrap.ingest_parts(settings, store, clock=clock))
        pipelines = worker.Worker(**bootstrap.worker_parts(settings, store, clock=clock))
        pace = replay_pace(args, settings)
        pump = SourcePump("replay", source, manager, batch_size=pace.batch_size, stop=stop)
        replaying = Replaying(
            source=source,
            pump=pump,
            manager=manager,
            worker=pipelines,
            pace=pace,
            stop=stop,
            on_batch=show,
        )

        def stop_all() -> None:
            stop.set()
            pipelines.stop()

        with shutdown_on_signals(
            ShutdownPlan(stop_all, settings.shutdown_timeout, give_back=pipelines.surrender)
        ):
            tune_garbage_collector()
            return replaying.run()
