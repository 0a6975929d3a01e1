"""Handlers that journal their calls, and wait or stop their process in them on request.

Installed on a site. A file ``hold-handle`` or ``hold-commit`` in the site's directory makes the
calls of streams wait while it exists, if their host begins with its text. ``stop-in-commit`` stops
the process (SIGSTOP): its text "3-5" makes the third and fourth commit wait for the fifth, which
stops the process; they act when it is continued.
"""

import json
import os
import signal
import threading
import time
from itertools import count
from pathlib import Path

from winchester_core.interfaces import PipelineHandler

JOURNAL = "journal.jsonl"
POLL_SECONDS = 0.05

_commits = count(1)


class GatedHandlerWithoutCommit(PipelineHandler):
    """Makes one event per run, whose id names the process and the attempt."""

    def handle_events(self, events, env):
        self._host = events[0]["host"]
        self._run = {
            "stream": env["stream_id"],
            "host": self._host,
            "attempt": env["attempt"],
            "pid": os.getpid(),
            "thread": threading.current_thread().name,
            "started": time.monotonic(),
        }
        self.note("handle")
        self.wait("hold-handle")
        self.note("handled")
        made = {
            "message_id": f"made-{env['stream_id']}-{env['attempt']}-{os.getpid()}",
            "event_type": "made",
            "timestamp": events[-1]["timestamp"],
            "host": self._host,
        }
        return [*events, made]

    def rollback(self):
        self.note("rollback")

    def wait(self, request):
        while text_of(request) is not None and self._host.startswith(text_of(request) or ""):
            time.sleep(POLL_SECONDS)

    def note(self, call):
        with Path(JOURNAL).open("a") as journal:
            journal.write(json.dumps({"call": call, **self._run}) + "\n")


class GatedHandler(GatedHandlerWithoutCommit):
    """The same with a commit."""

    def commit(self):
        stop_if_requested()
        self.note("commit")
        self.wait("hold-commit")
        self.note("committed")


def text_of(request):
    """Return the text of a request, or None if it is not made."""
    try:
        return Path(request).read_text()
    except FileNotFoundError:
        return None


def stop_if_requested():
    """Wait for the last of the requested commits, or stop this process, if it is the last."""
    request = Path("stop-in-commit")
    text = text_of(request)
    if text is None:
        return
    number = next(_commits)
    first, last = map(int, text.split("-"))
    taken = Path(f"stopped-{os.getpid()}")
    if number == last:
        request.rename(taken)  # no other process stops
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread does not continue
        taken.unlink()
    while number >= first and (request.exists() or taken.exists()):
        time.sleep(POLL_SECONDS)
