"""``winchester replay``: ingest recorded messages and process their streams in one process."""

from __future__ import annotations

import dataclasses
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli import input_options
from winchester_core.cli.options import Flag, load_configuration
from winchester_core.cli.output import ObjectShow, count_lines
from winchester_core.cli.terminal import progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from winchester_core.pipelines import PipelineDefinition

PROGRAM: Final = "winchester-replay"
DISCARD_REASON: Final = "replay"


class ReplayCommand(ObjectShow):
    """Replay recorded events or notifications.

    Ingest and a worker take turns on the event clock, regardless of the setting clock: stream time
    follows the timestamps of the messages. After each --step of stream time, the worker runs until
    it is idle. At the end, stream time advances by --advance in steps of --advance-step, and the
    worker runs after each step. So a recorded week takes a minute and gives the same result as
    live, except that events of handlers arrive at the end of a step: if triggers react to them
    within less than a step, use shorter steps. The command waits for retries of failed pipelines.
    Invalid messages are stored as rejected messages.

    By default, a replay changes only the database. Without --commit, rollback is called instead of
    commit. Without --deliver, effects are recorded as discarded (the reason is "replay"), and no
    worker delivers them. If handlers have side effects, the command first prints their number. The
    summary counts the skipped commits and the discarded effects.
    """

    examples = (
        "winchester replay -c winchester.yaml --file notifications.jsonl.gz",
        "winchester replay -c winchester.yaml --file day.jsonl --step 10m --advance 2d -f json",
        "winchester replay -c winchester.yaml --file missed.jsonl --commit --deliver",
    )
    arguments = (
        *input_options.REQUIRED_FILE_OPTIONS,
        *input_options.PACE_OPTIONS,
        Flag("--commit", "call the commit of handlers (default: rollback instead)"),
        Flag("--deliver", "deliver effects (default: record them as discarded)"),
    )
    lines = {"new_events": count_lines}

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Replay and return the summary. Raises `WinchesterError` when interrupted."""
        from winchester_core import bootstrap
        from winchester_core.config import configure_logging
        from winchester_core.ingest.replay import Replayer

        needs = ("database", "triggers", "pipelines", *input_options.parts_of_format(parsed_args))
        settings = load_configuration(parsed_args, needs=needs, ignores=["sources"])
        configure_logging(settings, PROGRAM)
        configuration = bootstrap.worker_configuration(settings)
        options = dataclasses.replace(
            configuration.options,
            concurrency=1,
            calls_commit=parsed_args.commit,
            discard_reason=None if parsed_args.deliver else DISCARD_REASON,
        )
        _print_side_effects(configuration.pipelines.values(), parsed_args)
        stop = threading.Event()
        source = input_options.open_file_source(parsed_args, settings)
        with (
            progress_bar("replay") as show_progress,
            closing(bootstrap.open_store(settings)) as store,
        ):
            clock = bootstrap.replay_clock(store)
            worker = bootstrap.make_worker(
                settings, store, clock, pipelines=configuration.pipelines, options=options
            )
            replayer = Replayer(
                source,
                bootstrap.make_ingester(settings, store, clock),
                worker,
                pace=input_options.replay_pace(parsed_args, settings),
                stop=stop,
                on_batch=show_progress,
            )

            def stop_all() -> None:
                stop.set()
                worker.stop()

            plan = ShutdownPlan(stop_all, settings.shutdown_timeout, worker.release_all)
            with shutdown_on_signals(plan):
                tune_garbage_collector()
                summary = replayer.run()
        if stop.is_set():
            raise WinchesterError(f"interrupted after {summary.messages} messages")
        return dataclasses.asdict(summary)


def _print_side_effects(pipelines: Iterable[PipelineDefinition], args: Namespace) -> None:
    """Print the number of handlers with side effects, and the calls that the options allow."""
    specs = [(each.name, spec) for each in pipelines for spec in each.handlers]
    committing = [f"{name}/{spec.name}" for name, spec in specs if spec.has_commit]
    delivering = [f"{name}/{spec.name}" for name, spec in specs if spec.delivers]
    number = sum(spec.has_commit or spec.delivers for _, spec in specs)
    if number:
        print(f"handlers with side effects: {number} of {len(specs)}", file=sys.stderr)
    if committing:
        done = "is called" if args.commit else "is not called, --commit calls it"
        print(f"  commit {done}: {', '.join(committing)}", file=sys.stderr)
    if delivering:
        done = "are delivered" if args.deliver else "are discarded, --deliver delivers them"
        print(f"  effects {done}: {', '.join(delivering)}", file=sys.stderr)
