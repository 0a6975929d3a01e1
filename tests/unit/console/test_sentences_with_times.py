"""Sentences of explanations, with their times as elements."""

from __future__ import annotations

from winchester_core.console.shown_values import error_line, with_times


def test_times_become_elements_that_show_them_exactly_on_hover() -> None:
    html = with_times("expires at 2026-12-01T11:49:38.921587+00:00 (stream time, in 7m 52s)")
    assert str(html) == (
        'expires at <time datetime="2026-12-01T11:49:38.921587Z" '
        'title="2026-12-01T11:49:38.921587Z">2026-12-01 11:49:38</time> (stream time, in 7m 52s)'
    )


def test_the_rest_of_a_sentence_is_escaped() -> None:
    html = with_times("<b>2026-12-01T11:49:38+00:00</b> & \u202eabc")
    assert "<b>" not in html
    assert str(html).startswith("&lt;b&gt;<time ")
    assert str(html).endswith("</time>&lt;/b&gt; &amp; \\u202eabc")


def test_a_text_that_only_looks_like_a_time_stays_as_it_is() -> None:
    assert str(with_times("2026-02-30T00:00:00+00:00")) == "2026-02-30T00:00:00+00:00"


def test_the_last_line_of_an_error_names_the_cause() -> None:
    traceback = "Traceback\n  File ...\nwinchester_core.errors.HandlerFailed: pipeline 'p': no\n"
    assert error_line(traceback) == "pipeline 'p': no"
    assert error_line("ValueError: winchester_core.errors.HandlerFailed: x") == (
        "ValueError: winchester_core.errors.HandlerFailed: x"
    )
    assert error_line("\n") == ""
