"""Tracebacks in storable form: short, valid text, without secrets."""

from __future__ import annotations

import pytest

from winchester_core.model.event import text_problem
from winchester_core.pipelines import traceback_text
from winchester_core.pipelines.traceback_text import (
    MAX_CLEANED_CHARACTERS,
    MAX_TRACEBACK_BYTES,
    clean_text,
    clean_traceback,
    describe_error,
    error_text,
)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """Return `error` with a traceback, chained from `cause`."""
    try:
        raise error from cause
    except Exception as caught:  # noqa: BLE001
        return caught


def test_a_traceback_has_error_location_and_cause() -> None:
    text = clean_traceback(raised(ValueError("outer"), raised(KeyError("inner"))))
    assert "ValueError: outer" in text
    assert "KeyError: 'inner'" in text
    assert "test_traceback_text.py" in text


@pytest.mark.parametrize("message", ["x" * 100_000, "é" * 100_000, "a\U0001f600" * 60_000, ""])
def test_a_traceback_is_at_most_16_kib_and_keeps_head_and_tail(message: str) -> None:
    text = clean_traceback(raised(RuntimeError(message + "\n the end")))
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES
    assert text.startswith("Traceback")
    assert text.endswith("the end\n")
    assert ("left out" in text) == bool(message)


def test_nul_and_lone_surrogates_are_escaped() -> None:
    text = clean_traceback(raised(ValueError("a\0b \ud800 c")))
    assert text_problem(text) is None
    assert "a\\x00b \\ud800 c" in text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://winchester:SESAME@db/winchester",
        "amqp://guest:SES/AME@rabbit:5672/",
        "amqp://guest:SES@SESAME@rabbit/",
        "http://:SESAME@proxy/",
        "password=SESAME",
        "password = 'SESAME open'",
        "db_password: SESAME",
        "{'password': 'SESAME', 'user': 'u'}",
        '{"admin_password": "SESAME\\" SESAME", "user": "u"}',
        '"{\\"token\\": \\"SESAME\\"}"',
        "passwd=SESAME&user=u",
        "X-Auth-Token: SESAME",
        "Authorization: Bearer SESAME",
        "authorization=SESAME",
        "{'Authorization': 'Basic SESAME'}",
        "client_secret=b'SESAME'",
        "api_key=SESAME, other=1",
        "API-KEY: SESAME",
        "auth_key='SESAME",
        "PGPASSWORD=SESAME psql",
        "token_value: SESAME)",
    ],
)
def test_no_secret_is_shown(text: str) -> None:
    cleaned = clean_text(f"before {text} after")
    assert "SESAME" not in cleaned
    assert "***" in cleaned
    assert cleaned.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/path is unavailable",
        "mail someone@example.org",
        "the password is wrong",
        "no such trait: instance_id",
        "see https://docs.example.org/a:b and write to x@y.z",
    ],
)
def test_text_that_is_not_secret_is_kept(text: str) -> None:
    assert clean_text(text) == text


def test_text_beside_a_secret_is_kept() -> None:
    assert clean_text("password='a b', user='u'") == "password=***, user='u'"
    assert clean_text("sqlite and mysql://u:p@h/db?x=1") == "sqlite and mysql://u:***@h/db?x=1"


@pytest.mark.parametrize(
    "piece", ["password", "token='", "://a:", "://a:@", "a-", 'key="\\', "secret=", "api_key=\\'"]
)
def test_masking_a_long_hostile_text_takes_linear_time(piece: str) -> None:
    # A pattern that backtracks would take hours here, and the test with it.
    assert len(clean_text(piece * 40_000)) > 0


def test_an_error_is_described_in_one_short_line() -> None:
    assert describe_error(ValueError("two\n  lines")) == "ValueError: two lines"
    assert describe_error(SystemExit()) == "SystemExit"
    assert len(describe_error(ValueError("x" * 9000))) == 500
    assert describe_error(KeyError("k")) == "KeyError: 'k'"


@pytest.mark.parametrize("piece", ["password='x y' ", "é", "://a:b@c ", "\0", "a" * 1000])
def test_a_huge_text_is_cut_before_it_is_cleaned(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[int] = []

    def counted(text: str) -> str:
        cleaned.append(len(text))
        return clean_text(text)

    monkeypatch.setattr(traceback_text, "clean_text", counted)
    text = clean_traceback(raised(RuntimeError(piece * 2_000_000 + "\n the end")))
    assert sum(cleaned) <= 2 * MAX_CLEANED_CHARACTERS + 1
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES
    assert text.startswith("Traceback")
    assert text.endswith("the end\n")
    assert "x y" not in text


def test_a_secret_that_the_cut_would_split_is_not_shown() -> None:
    for offset in range(0, 5_000, 7):
        padding = "." * (200_000 + offset)
        text = error_text(f"{padding}password='SESAME SESAME' {'.' * 16_000}")
        assert "SESAME" not in text


HUGE = 3 * MAX_CLEANED_CHARACTERS


@pytest.mark.parametrize(
    "text",
    [
        f"password='{'SESAME ' * HUGE}'\nthe end",
        f"{'.' * HUGE}\npassword='{'SESAME ' * HUGE}'",
        f"{'.' * HUGE} password={'SESAME' * HUGE}\n{'password=x ' * 9}",
        f"http://user:{'SESAME' * HUGE}@host/ failed",
        f"{'password=x ' * HUGE}",
    ],
    ids=["head", "tail", "line", "url", "many"],
)
def test_a_secret_longer_than_what_is_kept_is_not_shown(text: str) -> None:
    shown = error_text(text)
    assert "SESAME" not in shown
    assert "x " not in shown
    assert len(shown.encode()) <= MAX_TRACEBACK_BYTES
    assert "SESAME" not in describe_error(ValueError(text), 10**6)


@pytest.mark.parametrize("separator", [": ", "=\n", ":\n\n"])
def test_the_value_of_a_name_before_the_cut_is_not_shown(separator: str) -> None:
    filling = f"password='{'x' * 1000}'\n" * (MAX_CLEANED_CHARACTERS // 1000)
    tail = f"password{separator}SESAME\n{filling}"
    for offset in range(-5, 30):
        kept = tail[: MAX_CLEANED_CHARACTERS + offset]
        _, shown = error_text(f"{'.' * HUGE}\n{kept}").split("left out", 1)
        assert "SESAME" not in shown
        assert shown.count("password=***") > 100
