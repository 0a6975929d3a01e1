"""The logger handler."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_handlers.logger import LoggerHandler

ENV: dict[str, Any] = {"stream_id": 7, "stream_name": "usage", "reason": "fire"}
EVENTS = [
    {"message_id": "m1", "event_type": "a.b"},
    {"message_id": "m2", "event_type": "c.d"},
]


def make_handler(**params: Any) -> LoggerHandler:
    return LoggerHandler(**LoggerHandler.config_schema(params))


def test_the_count_and_each_type_and_id_are_logged_at_info(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert make_handler().handle_events(EVENTS, ENV) is EVENTS
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.INFO, "pipeline run: stream=7 reason=fire events=2 trigger=usage"),
        (logging.INFO, "event: stream=7 event_type=a.b message_id=m1"),
        (logging.INFO, "event: stream=7 event_type=c.d message_id=m2"),
    ]


def test_the_level_parameter_is_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    make_handler(level="debug").handle_events(EVENTS, ENV | {"reason": "expire"})
    assert {r.levelno for r in caplog.records} == {logging.DEBUG}
    assert (
        caplog.records[0].getMessage()
        == "pipeline run: stream=7 reason=expire events=2 trigger=usage"
    )


def test_nothing_is_logged_below_the_loggers_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert make_handler().handle_events(EVENTS, ENV) == EVENTS
    assert caplog.records == []


@pytest.mark.parametrize("params", [{"level": "loud"}, {"level": 10}, {"livel": "INFO"}])
def test_the_schema_refuses_unknown_keys(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        LoggerHandler.config_schema(params)
