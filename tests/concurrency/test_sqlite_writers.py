"""SQLite with four writing processes: "database is locked" never surfaces.

Writers record batches, claim and complete, and open and close the database repeatedly (the last to
close it removes its log); meanwhile readers read and others checkpoint the log. No call may raise:
nothing here retries a busy database.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import Site
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter

PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "sqlite_process.py"
WRITERS = 4
ROUNDS = 30
EVENTS_PER_ROUND = 3
"""Events that each writer stores before it closes the database."""


def start(role: str, number: int, site: Site) -> subprocess.Popen[str]:
    task = {
        "role": role,
        "number": number,
        "url": site.url,
        "rounds": ROUNDS,
        "in_a_round": EVENTS_PER_ROUND,
        "stop": str(site.path / "stop"),
    }
    return subprocess.Popen(
        [sys.executable, PROGRAM, json.dumps(task)],
        env=site.environ({"PYTHONPATH": str(PROGRAM.parents[2])}),
        stderr=subprocess.PIPE,
        text=True,
    )


def test_four_writers_never_see_a_locked_database(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.migrate()
    writers = [start("write", number, site) for number in range(WRITERS)]
    others = [start(role, 0, site) for role in ("read", "checkpoint")]
    try:
        errors = [writer.communicate(timeout=BOUND_SECONDS)[1] for writer in writers]
        (tmp_path / "stop").touch()
        errors += [other.communicate(timeout=BOUND_SECONDS)[1] for other in others]
    finally:
        for process in (*writers, *others):
            process.kill()
            process.wait()
    assert errors == [""] * 6
    assert [process.returncode for process in (*writers, *others)] == [0] * 6
    with site.store() as store:
        assert store.count_events(EventFilter()) == WRITERS * ROUNDS * EVENTS_PER_ROUND
        assert set(store.count_states()) == {StreamState.COMPLETED}
