"""The source and the handlers of the programs in a chaos run. Installed on their site."""

import json
import os
import random
import time
import uuid
from pathlib import Path

from voluptuous import Required, Schema

from winchester_core.interfaces import EventSource, PipelineHandler
from winchester_core.interfaces.handler import Delivered, RetryAfter
from winchester_core.model.message import Message, MessageKind

LONGEST_RUN_SECONDS = 0.1


class SpoolSource(EventSource):
    """A growing file of events; unacknowledged ones are redelivered, even after a crash.

    The acknowledged position is kept on disk beside it. It ends when a file ``.complete`` marks the
    input as complete.
    """

    config_schema = Schema({Required("path"): str})

    def open(self):
        self._acked = Path(self.params["path"] + ".acked")
        self._complete = Path(self.params["path"] + ".complete")
        self._file = Path(self.params["path"]).open("rb")  # noqa: SIM115 - until close
        self._file.seek(int(self._acked.read_text()) if self._acked.exists() else 0)

    def receive(self, max_messages, timeout_seconds):
        is_complete = self._complete.exists()
        messages = []
        while len(messages) < max_messages:
            start = self._file.tell()
            line = self._file.readline()
            if not line.endswith(b"\n"):
                self._file.seek(start)
                break
            messages.append(Message(line, MessageKind.EVENT, token=self._file.tell()))
        if not messages:
            self.exhausted = is_complete
            if not is_complete:
                time.sleep(min(timeout_seconds, 0.05))
        return messages

    def ack(self, messages):
        text = str(max(message.token for message in messages))
        write_durably(self._acked.with_suffix(".new"), text, "w")
        self._acked.with_suffix(".new").replace(self._acked)

    def release(self, messages):
        self.exhausted = False
        self._file.seek(min(message.token - len(message.body) for message in messages))

    def reject(self, message, reason):
        raise AssertionError(f"there is no bad message here: {reason}")

    def close(self):
        if hasattr(self, "_file"):
            self._file.close()


class ChaosHandler(PipelineHandler):
    """Queues two effects per run, and makes an event unique to the run.

    The event names the effects' ids, and so shows which run completed the stream.
    """

    def handle_events(self, events, env):
        put = env["outbox"].put
        receipt = {
            "message_id": str(uuid.uuid4()),
            "event_type": "receipt",
            "stream": env["stream_id"],
            "attempt": env["attempt"],
            "first_effect": put({"stream": env["stream_id"], "number": 1}),
            "second_effect": put({"stream": env["stream_id"], "number": 2}),
            "timestamp": events[-1]["timestamp"],
        }
        return [*events, receipt]

    def deliver(self, effects):
        """Sometimes reschedule, and sometimes lose the result of a delivery."""
        outcomes = [self._deliver(effect) for effect in effects]
        if random.random() < 0.1:
            raise RuntimeError("the answer was lost")
        return outcomes

    def _deliver(self, effect):
        if random.random() < 0.1:
            return RetryAfter(0.1, "not now")
        line = {"id": effect.id, "attempt": effect.attempt, **effect.payload}
        write_durably(Path("deliveries.jsonl"), json.dumps(line) + "\n")
        return Delivered()


class OrderHandler(ChaosHandler):
    """Takes some time, and makes one more event, equal in every run of the stream."""

    def handle_events(self, events, env):
        self._run = {
            "stream": env["stream_id"],
            "attempt": env["attempt"],
            "members": [event["message_id"] for event in events],
        }
        time.sleep(random.uniform(0, LONGEST_RUN_SECONDS))
        summary = {
            "message_id": f"summary-{env['stream_id']}",
            "event_type": "order.summary",
            "count": len(events),
            "timestamp": events[-1]["timestamp"],
            "shop": events[0]["shop"],
        }
        return [*super().handle_events(events, env), summary]

    def commit(self):
        write_durably(Path("commits.jsonl"), json.dumps({**self._run, "pid": os.getpid()}) + "\n")


class RollupHandler(ChaosHandler):
    """Has no commit, so that many streams are completed in one batch."""


def write_durably(path, text, mode="a"):
    """Write in one call, and wait until it is on disk."""
    with path.open(mode) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
