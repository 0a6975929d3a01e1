"""`winchester ingest -d`: ingest as a daemon."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from support.scenes.sites import is_running, task_events, wait_until
from winchester_core.storage.filters import EventFilter

if TYPE_CHECKING:
    from support.scenes.sites import Site


def test_a_daemon_keeps_the_working_directory(ready_site: Site) -> None:
    ready_site.add_settings(
        """\
        log_file: ingest.log
        event_sources:
          here: {source: jsonl, params: {path: here.jsonl, format: event}}
          never: {source: jsonl, params: {path: never.jsonl, format: event}}
        """
    )
    ready_site.write_events("here.jsonl", task_events("a"))
    started = ready_site.run(
        "winchester", "ingest", "-c", "winchester.yaml", "-d", "--pid-file", "ingest.pid"
    )
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    pid = int((ready_site.path / "ingest.pid").read_text())
    try:
        wait_until(lambda: _stored(ready_site) == 2)
        assert is_running(pid)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_running(pid))
    log = (ready_site.path / "ingest.log").read_text()
    assert "never.jsonl" in log
    assert "shutting down: signal=SIGTERM" in log


def _stored(site: Site) -> int:
    with site.store() as store:
        return store.count_events(EventFilter())
