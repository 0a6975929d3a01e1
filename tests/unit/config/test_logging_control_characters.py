"""Text from outside cannot forge a record of the text log, nor control a terminal that shows it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from winchester_core.config.logging import DATE_FORMAT, FORMAT, TextFormatter
from winchester_core.telemetry.log_context import MultilineText

FORGED = "x\n2026-01-01T00:00:00.000Z ERROR root: admin logged in"


class Odd:
    def __str__(self) -> str:
        return FORGED


def formatted(message: object, *args: Any, exc_info: Any = None) -> str:
    record = logging.LogRecord("a.b", logging.INFO, "f.py", 1, message, args, exc_info)
    return TextFormatter(FORMAT, DATE_FORMAT).format(record)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (FORGED, r"x\n2026-01-01T00:00:00.000Z ERROR root: admin logged in"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("ordinary é 😀", "ordinary é 😀"),
    ],
)
def test_control_characters_of_an_argument_are_escaped(text: str, shown: str) -> None:
    assert formatted("event=%s end", text).endswith(f"INFO a.b: event={shown} end")
    assert formatted("event=%(id)s end", {"id": text}).endswith(f"event={shown} end")


def test_arguments_of_every_type_are_escaped_and_numbers_are_kept() -> None:
    line = formatted("%s %d %.1f %r %s", Odd(), 3, 2.5, "a\nb", None)
    assert line.endswith(
        r"x\n2026-01-01T00:00:00.000Z ERROR root: admin logged in 3 2.5 'a\\nb' None"
    )
    assert "\n" not in line


@pytest.mark.parametrize("message", [FORGED, Odd()])
def test_a_line_within_a_message_cannot_begin_a_record(message: object) -> None:
    first, second = formatted(message).split("\n")
    assert second == "    2026-01-01T00:00:00.000Z ERROR root: admin logged in"
    assert first.endswith("INFO a.b: x")


def test_a_traceback_keeps_its_lines_indented() -> None:
    text = MultilineText("Traceback:\n  line\x1b[2J\nValueError: x")
    assert formatted("failed\n%s", text).split("\n")[1:] == [
        "    Traceback:",
        r"      line\x1b[2J",
        "    ValueError: x",
    ]
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        lines = formatted("failed", exc_info=(type(error), error, error.__traceback__)).split("\n")
    assert all(line.startswith("    ") for line in lines[1:])
    assert lines[-1] == "    2026-01-01T00:00:00.000Z ERROR root: admin logged in"


def test_other_handlers_get_the_record_unchanged() -> None:
    record = logging.LogRecord("a.b", logging.INFO, "f.py", 1, "%s", (FORGED,), None)
    TextFormatter(FORMAT, DATE_FORMAT).format(record)
    assert record.args == (FORGED,)
    assert record.getMessage() == FORGED
