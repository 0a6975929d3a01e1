"""Real notifications under ceilometer's event definitions, compared with plain stackdistiller."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import jsonpath_rw_ext
import yaml
from stackdistiller import distiller as plain

from benchmarks.figure import ENGINE, Figure, Goal, cpu_us, rates
from benchmarks.lap import timed
from benchmarks.rounds import interleave
from winchester_core.distill import Distiller
from winchester_core.plugins import TRAIT_PLUGINS, PluginRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "distilling"
PLAIN = "plain stackdistiller"
RELEASES = ("2015.1.0", "HEAD")
SHARE = 80
"""Divisor of the number of events: distilling is slower than ingest."""

Body = dict[str, Any]


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each release; none if the recorded notifications are missing."""
    if not options.data.is_dir():
        print(f"distilling is skipped: {options.data} does not exist", file=sys.stderr)
        return
    for release in RELEASES:
        ours, theirs = distillers(options.data, release)
        bodies = check_equal_events(recorded(options.data), ours, theirs)
        passes = max(1, options.events // SHARE // len(bodies))
        contestants = {
            ENGINE: _distilling(ours.distill, bodies, passes),
            PLAIN: _distilling(theirs, bodies, passes),
        }
        laps = interleave(contestants, options.rounds)
        yield Figure(
            NAME,
            f"notification to event, ceilometer {release}",
            None,
            "notifications/s",
            rates(laps),
            (Goal(ENGINE, PLAIN, at_least=5),),
            cpu_us(laps),
            {"notifications": len(bodies)},
        )


def recorded(data: Path) -> list[Body]:
    """Return the bodies of the recorded notifications."""
    lines = (data / "notifications" / "wire.jsonl").read_text().splitlines()
    return [json.loads(line)["body"] for line in lines]


def distillers(data: Path, release: str) -> tuple[Distiller, Callable[[Body], Body | None]]:
    """Return our distiller, and a function that distils with plain stackdistiller.

    Definitions of later releases need the extended path parser, so plain stackdistiller uses it
    as well. It does not find paths into `ctxt`, which it receives in the form of the wire.
    """
    path = data / "config" / "ceilometer_event_definitions" / f"event_definitions-{release}.yaml"
    definitions = yaml.safe_load(path.read_text())
    with mock.patch("jsonpath_rw.parse", jsonpath_rw_ext.parse):
        theirs = plain.Distiller(yaml.safe_load(path.read_text().replace("ctxt.", "_context_")))

    def distill(body: Body) -> Body | None:
        condensed = theirs.to_event(body)
        return None if condensed is None else condensed.get_event()

    return Distiller(definitions, PluginRegistry(TRAIT_PLUGINS)), distill


def check_equal_events(
    bodies: Sequence[Body], ours: Distiller, theirs: Callable[[Body], Body | None]
) -> list[Body]:
    """Return the notifications that become events, without those plain stackdistiller raises on.

    Raises `AssertionError` if the two events differ, or one is missing.
    """
    covered = []
    for body in bodies:
        try:
            expected = _with_times(theirs(body))
        except Exception:  # noqa: BLE001 - it has no exception class of its own
            continue
        event = ours.distill(body).event
        assert event == expected, f"{event} is not {expected}"
        if event is not None:
            covered.append(body)
    return covered


def _with_times(event: Body | None) -> Body | None:
    if event is None:
        return None
    named = {("timestamp" if name == "when" else name): value for name, value in event.items()}
    return {name: _aware(value) for name, value in named.items()}


def _aware(value: Any) -> Any:
    naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if naive else value


def _distilling(
    distill: Callable[[Body], object], bodies: Sequence[Body], passes: int
) -> Contestant:
    def work() -> None:
        for _ in range(passes):
            for body in bodies:
                distill(body)

    work()
    return lambda _round: timed(passes * len(bodies), work)
