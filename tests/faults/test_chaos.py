"""Randomly killed, stopped and disconnected programs lose nothing and repeat nothing.

The short form of `python -m chaos`, which documents faults and checks. The injected faults are
reported at the end of the test run, with the seed to repeat them (WINCHESTER_CHAOS_SEED).
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from chaos.run import run
from support.scenes.worker_settings import BOTH_SETTINGS
from support.servers.databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.scenes.worker_settings import WorkerSettings

STORM_SECONDS = 20.0


CASES = [
    pytest.param(database, (settings,), id=f"{database}-{settings}")
    for database in BACKENDS
    for settings in BOTH_SETTINGS
]


@pytest.mark.parametrize(("database", "workers"), CASES)
def test_random_faults_lose_nothing_and_repeat_nothing(
    database: str,
    workers: tuple[WorkerSettings, ...],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    seed = int(os.environ.get("WINCHESTER_CHAOS_SEED", random.randrange(1_000_000)))
    print(f"WINCHESTER_CHAOS_SEED={seed}")
    report = run(database, tmp_path, seconds=STORM_SECONDS, seed=seed, workers=workers)
    record_property("report at the end", str(report))
