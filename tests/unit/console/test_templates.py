"""Templates and their macros: escaping, names for assistive programs, nothing inline."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import winchester_core.console
from winchester_core.console.frame import Frame, HealthSummary
from winchester_core.console.paths import Link
from winchester_core.console.rendering import template_environment

FOLDER = Path(winchester_core.console.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
FRAME = Frame(
    root="/winchester",
    section="streams",
    health=HealthSummary("ok", "no failures"),
    csrf_token="token",
    version="1.2.3",
    user="ann",
    role="operator",
    read_only=False,
    counts={"outbox": "17"},
    alarming=frozenset({"outbox"}),
)
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'\u202e\x1b[31m"


def rendered(source: str, **context: object) -> str:
    """Return what a template with the macros makes of `context`."""
    template = template_environment().from_string(
        '{% import "macros.html" as ui with context %}' + source
    )
    return template.render(frame=FRAME, **context).strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize(
    "forbidden",
    [
        re.compile(r"\sstyle\s*="),
        re.compile(r"\son[a-z]+\s*="),
        re.compile(r"<style"),
        re.compile(r"<script(?![^>]*\ssrc=)"),
        re.compile(r"(src|href|action)=\"?(https?:)?//"),
        re.compile(r"\|\s*safe\b"),
    ],
    ids=lambda pattern: pattern.pattern,
)
def test_templates_have_nothing_inline_or_from_elsewhere(
    path: Path, forbidden: re.Pattern[str]
) -> None:
    assert not forbidden.search(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        "{{ ui.badge(value) }}",
        "{{ ui.text(value) }}",
        "{{ ui.traits({value: value}) }}",
        "{{ ui.stat(value, value, value, value) }}",
        "{{ ui.empty(value, value, value, value) }}",
        "{{ ui.notice('error', value, value) }}",
        "{{ ui.code(value, 'YAML') }}",
        "{{ ui.text_field('a', value, value, value, value) }}",
        "{{ ui.select_field('a', value, [(value, value)], value) }}",
        "{{ ui.action('/a', value, {value: value}) }}",
        "{{ ui.confirmed_action('/a', value) }}",
        "{{ ui.criterion(value, 1, 2, value) }}",
        "{{ ui.pagination(value, none, none, value, value) }}",
        "{% call ui.table(value, 'id', value) %}{% endcall %}",
    ],
)
def test_macros_escape_texts(source: str) -> None:
    text = rendered(source, value=HOSTILE)
    assert "<script" not in text
    assert "&lt;script" in text


def test_texts_from_outside_have_no_control_characters() -> None:
    text = rendered("{{ ui.text(value) }}{{ ui.code(value, 'JSON') }}", value=HOSTILE)
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_times_have_their_exact_value() -> None:
    time = NOON + timedelta(microseconds=5)
    assert rendered("{{ ui.time(value) }}", value=time) == (
        '<time datetime="2026-12-01T12:00:00.000005Z" title="2026-12-01T12:00:00.000005Z">'
        "2026-12-01 12:00:00</time>"
    )
    assert ">1m ago</time>" in rendered(
        "{{ ui.age(value, now) }}", value=NOON, now=NOON + timedelta(minutes=1)
    )
    assert 'title="93,600 s">1d 2h<' in rendered("{{ ui.duration(93600) }}")


@pytest.mark.parametrize("macro", ["time(none)", "age(none, none)", "duration(none)"])
def test_absent_values_are_readable_by_assistive_programs(macro: str) -> None:
    assert '<span class="visually-hidden">none</span>' in rendered(f"{{{{ ui.{macro} }}}}")


def test_tables_scroll_inside_a_named_region() -> None:
    text = rendered("{% call ui.table('Streams', 'streams', '3 of 3') %}<tbody>{% endcall %}")
    assert '<div class="table" role="region" aria-labelledby="streams" tabindex="0">' in text
    assert '<span id="streams">Streams</span> <span class="count">3 of 3</span>' in text
    assert "<tbody>" in text


def test_pagination_has_links_only_where_there_are_pages() -> None:
    text = rendered("{{ ui.pagination(none, none, '/n?a=1&b=2', '/o') }}")
    assert text.count('aria-disabled="true"') == 2
    assert '<a href="/n?a=1&amp;b=2" rel="next">Next</a>' in text


def test_progress_is_drawn_in_steps_or_as_a_share() -> None:
    steps = rendered("{{ ui.bar(2, 5) }}")
    assert steps.count("bar-done") == 2
    assert steps.count("bar-rest") == 3
    assert 'width="250.0"' in rendered("{{ ui.bar(25, 100) }}")
    assert 'class="bar-met" width="1000' in rendered("{{ ui.bar(250.5, 100) }}")
    assert 'width="1000' in rendered("{{ ui.bar(has, 0.5) }}", has=10**400)


def test_actions_carry_the_token() -> None:
    text = rendered("{{ ui.action('/x', 'Reset', {'id': 7}) }}")
    assert '<input type="hidden" name="csrf_token" value="token">' in text
    assert '<input type="hidden" name="id" value="7">' in text


def test_a_field_with_a_problem_names_it() -> None:
    text = rendered("{{ ui.text_field('age', 'Age', '1x', problem='1x is no duration') }}")
    assert 'aria-invalid="true" aria-describedby="note-age"' in text
    assert '<span class="problem" id="note-age">1x is no duration</span>' in text


def test_the_frame_marks_the_section_and_what_needs_attention() -> None:
    page = template_environment().get_template("error.html")
    text = page.render(
        frame=FRAME, code=404, reason="Not Found", detail=HOSTILE, back=Link("/", HOSTILE)
    )
    assert "<title>Not Found · Winchester</title>" in text
    assert '<a href="/winchester/streams" aria-current="page">Streams</a>' in text
    assert '<span class="count count-error">17</span>' in text
    assert 'action="/winchester/logout"' in text
    assert text.count("<main") == text.count("<h1") == 1
    assert '<a class="skip" href="#main">' in text
    assert "<script>" not in text


def test_the_page_that_confirms_an_action() -> None:
    confirmation = {
        "title": "Discard 3 streams?",
        "text": "They are deleted.",
        "action": "/winchester/streams/discard",
        "fields": {"number": 3},
        "button": "Discard",
        "is_dangerous": True,
        "cancel_url": "/winchester/streams",
    }
    text = template_environment().get_template("confirm.html").render(
        frame=FRAME, confirmation=confirmation
    )  # fmt: skip
    assert '<form method="post" action="/winchester/streams/discard">' in text
    assert '<button class="danger">Discard</button>' in text
    assert '<a class="button" href="/winchester/streams">Cancel</a>' in text


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ nothing_of_this_name }}")


def test_the_style_has_a_bounded_length_and_no_address() -> None:
    style = (FOLDER / "static" / "console.css").read_text()
    assert len(style.splitlines()) < 700
    assert "url(" not in style
    assert "@import" not in style


def test_the_script_has_a_bounded_length_and_evaluates_nothing() -> None:
    script = (FOLDER / "static" / "console.js").read_text()
    assert len(script.splitlines()) < 150
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", script)
