"""A handler that records its calls. Installed on a site, as a third-party one is."""

import json
import os
from pathlib import Path

JOURNAL = "journal.jsonl"


class JournalHandler:
    """Appends each line at once, also beside other writers."""

    def handle_events(self, events, env):
        self._run = {
            "stream": env["stream_id"],
            "reason": env["reason"],
            "attempt": env["attempt"],
            "pid": os.getpid(),
        }
        self.note("handle")
        return events

    def commit(self):
        self.note("commit")

    def rollback(self):
        self.note("rollback")

    def note(self, call):
        line = json.dumps({"call": call, **self._run}) + "\n"
        with Path(JOURNAL).open("a") as journal:
            journal.write(line)
