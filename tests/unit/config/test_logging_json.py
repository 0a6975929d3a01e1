"""Log records as JSON: one object per line, stable keys, no passwords."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.config import JsonFormatter, configure_logging
from winchester_core.telemetry.log_context import LogContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ConfigDir

ALWAYS = ["time", "level", "logger", "message"]


def written(
    message: str = "hello", *arguments: Any, formatter: JsonFormatter | None = None, **facts: Any
) -> dict[str, Any]:
    """Return the output of a record logged with `facts`."""
    exc_info = facts.pop("exc_info", None)
    record = logging.LogRecord("acme.x", logging.INFO, "f.py", 1, message, arguments, exc_info)
    record.__dict__.update(facts)
    line = (formatter or JsonFormatter()).format(record)
    assert "\n" not in line
    content: dict[str, Any] = json.loads(line)
    return content


def test_a_record_has_utc_time_level_logger_and_message() -> None:
    content = written("seen %d of %s", 5, "ü")
    assert list(content) == ALWAYS
    assert (content["level"], content["logger"]) == ("INFO", "acme.x")
    assert content["message"] == "seen 5 of ü"
    assert datetime.fromisoformat(content["time"]).utcoffset() == timedelta(0)


def test_fields_of_the_context_and_of_the_record_are_included() -> None:
    with LogContext("run", stream_id=7, trigger="vm"), LogContext("handler", handler="mail"):
        content = written(event="m1", stream_id=8)
    assert {key: content[key] for key in content if key not in ALWAYS} == {
        "event": "m1",
        "stream_id": 8,
        "trigger": "vm",
        "handler": "mail",
    }
    assert list(written()) == ALWAYS


def test_no_other_key_is_included() -> None:
    with LogContext("run", streams=3):
        content = written(color="red", event=None)
    assert list(content) == ALWAYS


def test_an_exception_is_included_with_its_traceback_and_without_passwords() -> None:
    try:
        raise ValueError("no route to amqp://me:s3cret@host/x\nat all")
    except ValueError:
        content = written(exc_info=sys.exc_info())
    assert content["exception"].startswith("Traceback (most recent call last):\n")
    assert content["exception"].endswith("ValueError: no route to amqp://me:***@host/x\nat all")


def test_passwords_in_urls_of_a_message_are_masked() -> None:
    assert written("at %s", "amqp://me:s3cret@host/?token=abc")["message"] == (
        "at amqp://me:***@host/?token=***"
    )


def test_values_json_cannot_represent_are_written_as_text() -> None:
    content = written("lone \ud800", event=2**70)
    assert (content["level"], content["message"]) == ("INFO", "lone \\ud800")
    assert content["event"] == "1180591620717411303424"
    assert written(event=datetime(2024, 1, 1))["event"] == "2024-01-01T00:00:00"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield root
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_the_setting_selects_the_format(config: ConfigDir, root: logging.Logger) -> None:
    path = config.path / "w.log"
    configure_logging(config.settings(f"log_file: {path}\nlog_format: json"), "worker-1")
    root.info("one\nrecord")
    root.error("another")
    contents = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each["message"] for each in contents] == ["one\nrecord", "another"]
    assert {each["program"] for each in contents} == {"worker-1"}


LOGGING_CONF = """\
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = json
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
args = ('{path}',)
formatter = json
[formatter_json]
class = winchester_core.config.JsonFormatter
"""


def test_a_logging_config_may_use_the_formatter(config: ConfigDir, root: logging.Logger) -> None:
    path = config.path / "w.log"
    config.write("logging.conf", LOGGING_CONF.replace("{path}", str(path)))
    configure_logging(config.settings("logging_config: logging.conf"), "worker")
    root.info("hello")
    assert json.loads(path.read_text())["message"] == "hello"
