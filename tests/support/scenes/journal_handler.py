"""A handler that writes down what is asked of it. Installed on a site, as a stranger's is."""

import json
import os
from pathlib import Path

JOURNAL = "journal.jsonl"


class JournalHandler:
    """Each line is written at once, at the end of the file, whoever else writes there."""

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
