"""Handlers that stop their own process, or wait, on request. Installed on a site.

A file in the site's directory is the request: ``stop-in-handle`` and ``stop-in-commit`` for a
SIGSTOP of the process that removes the file first; ``hold`` makes every handler wait until removed.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path

from winchester_core.interfaces import PipelineHandler

JOURNAL = "journal.jsonl"


class HandlerWithoutCommit(PipelineHandler):
    """Makes one event per run, whose id names the process and the attempt."""

    def handle_events(self, events, env):
        self._run = {"stream": env["stream_id"], "attempt": env["attempt"], "pid": os.getpid()}
        self.note("handle")
        stop_where("stop-in-handle", events[0]["host"])
        while Path("hold").exists():
            time.sleep(0.02)
        made = {
            "message_id": f"made-{env['stream_id']}-{env['attempt']}-{os.getpid()}",
            "event_type": "made",
            "timestamp": events[-1]["timestamp"],
            "host": events[0]["host"],
        }
        return [*events, made]

    def rollback(self):
        self.note("rollback")

    def note(self, call):
        with Path(JOURNAL).open("a") as journal:
            journal.write(json.dumps({"call": call, **self._run}) + "\n")


class FencedHandler(HandlerWithoutCommit):
    """The same with a commit."""

    def commit(self):
        self.note("commit")
        stop_where("stop-in-commit", "")


def stop_where(name, host):
    """Stop this process if the file exists, and names this host or none."""
    request = Path(name)
    try:
        wanted = request.read_text()
        if wanted in ("", host):
            request.rename(f"{name}.taken-by-{os.getpid()}")
            # sent to the process, the signal might stop this thread later
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    except FileNotFoundError:
        return
