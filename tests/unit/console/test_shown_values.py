"""Texts, times, durations and numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.console import shown_values
from winchester_core.console.shown_text import CUT, shown, shown_lines
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamOutcome, StreamState

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login.failed", "login.failed"),
        ("a\x1b[31mb\x00", "a\\x1b[31mb\\x00"),
        ("one\ntwo\tthree", "one\\ntwo\\tthree"),
        ("right\u202eleft\u2066", "right\\u202eleft\\u2066"),
        ("no\u200bspace\ufeff", "no\\u200bspace\\ufeff"),
        ("lone\ud800", "lone\\ud800"),
        ("עברית 日本語 é", "עברית 日本語 é"),
    ],
)
def test_unsafe_characters_are_shown_as_escapes(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(), st.integers(1, 30))
def test_shown_texts_are_short_and_can_be_encoded(text: str, limit: int) -> None:
    found = shown(text, limit)
    assert len(found) <= limit
    assert found.encode().decode() == found
    assert found == text[:limit] or found.endswith(CUT) or not text.isprintable()


def test_a_long_text_is_cut() -> None:
    assert shown("A" * 2**20, 5) == f"AAAA{CUT}"


def test_lines_are_kept_in_blocks() -> None:
    assert shown_lines("a:\r\n\tb\x07\u202e") == "a:\n\tb\\x07\\u202e"


@pytest.mark.parametrize("state", [*StreamState, *StreamOutcome, *EffectState])
def test_every_state_has_a_style(state: str) -> None:
    assert shown_values.state_class(state).startswith("state-")


def test_an_unknown_state_has_no_style() -> None:
    assert shown_values.state_class("x y") == ""


def test_times() -> None:
    time = NOON + timedelta(microseconds=120)
    assert shown_values.utc(time) == "2026-12-01 12:00:00"
    assert shown_values.iso(time) == "2026-12-01T12:00:00.000120Z"
    assert shown_values.iso("2026-12-01T13:00:00+01:00") == "2026-12-01T12:00:00Z"
    assert shown_values.words("retry_fire") == "retry fire"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "now"), (-0.5, "now"), (-200, "3m 20s ago"), (7200, "in 2h"), (-90_000, "1d 1h ago")],
)
def test_relative_times(seconds: float, expected: str) -> None:
    assert shown_values.relative(NOON + timedelta(seconds=seconds), NOON) == expected


@pytest.mark.parametrize(
    ("value", "short", "exact", "iso"),
    [
        (0, "0s", "0 s", "PT0S"),
        (0.000_012, "12µs", "0.000012 s", "PT0.000012S"),
        (0.25, "250ms", "0.25 s", "PT0.25S"),
        (3.14159, "3.14s", "3.14159 s", "PT3.14159S"),
        (timedelta(days=1, hours=2, seconds=3), "1d 2h", "93,603 s", "PT93603S"),
        (-60, "1m", "-60 s", "PT60S"),
    ],
)
def test_durations(value: timedelta | float, short: str, exact: str, iso: str) -> None:
    assert shown_values.duration(value) == short
    assert shown_values.exact_duration(value) == exact
    assert shown_values.iso_duration(value) == iso


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (0.000_01, "1e-05"),
        (7, "7"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1.2k"),
        (999_999, "1M"),
        (35_000_000, "35M"),
        (10**18, "1E"),
        (10**30, "1e+30"),
    ],
)
def test_compact_numbers(value: float, expected: str) -> None:
    assert shown_values.compact_number(value) == expected


def test_counts() -> None:
    assert shown_values.count(12_345) == "12,345"
    assert shown_values.count(12_345, 10_000) == "10,000+"
    assert shown_values.count(10_000, 10_000) == "10,000"
    assert shown_values.count(2.5) == "2.5"
