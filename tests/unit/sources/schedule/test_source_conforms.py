"""The source `schedule` passes the conformance suite for sources.

The suite feeds events; here each one is a scheduled time that a fake clock passes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.sources.schedule import ScheduleSource
from winchester_core.testing import FakeClock, SourceConformance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.model import Message
    from winchester_core.model.event import Event


class TestSchedule(SourceConformance):
    plugin = ScheduleSource
    remembers_acknowledged = False
    idle_seconds = 0.01

    @pytest.fixture(autouse=True)
    def _clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()  # 2024-01-01T00:00Z, an hour without a scheduled time
        self.fed: dict[datetime, str] = {}
        monkeypatch.setattr(ScheduleSource, "clock", staticmethod(self.clock.now))
        monkeypatch.setattr(ScheduleSource, "wait", staticmethod(lambda _seconds: None))

    def params(self) -> dict[str, Any]:
        return {
            "name": "n",
            "cron": "* 1-22 * * *",
            "event_type": "test.scheduled",
            "catch_up": "50m",
        }

    def feed(self, events: Sequence[Event]) -> None:
        if events:
            self.clock.advance(timedelta(minutes=59))
        for event in events:
            moment = self.clock.advance(timedelta(minutes=1))
            self.fed[moment] = event["message_id"]

    def identify(self, message: Message) -> str:
        return self.fed[datetime.fromisoformat(message.body["timestamp"])]
