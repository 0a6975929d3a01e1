"""A template with any values of events has a text, or fails with the template's own error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.interfaces.templates import (
    MAX_OUTPUT_BYTES,
    TemplateFailed,
    render,
    stream_variables,
    template,
)
from winchester_core.testing import make_env

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.datetimes(timezones=st.just(UTC)),
)
NAMES = st.sampled_from(["a", "items", "get", "size", "timestamp", "keys", "__class__"])
EXPRESSIONS = st.sampled_from(
    [
        "first.a",
        "first.items",
        "first['__class__']",
        "first.get('size')",
        "first.a + first.size",
        "first.a * first.size",
        "first.a ** first.size",
        "first.a ~ first.size",
        "first.a / first.size",
        "first.a < first.size",
        "events | map(attribute='size') | sum",
        "events | groupby('a') | length",
        "first.a | join(', ')",
        "range(first.a) | list",
    ]
)
FILTERS = ["json", "isoformat", "local", "duration", "truncate(3)", "urlencode", "int", "round"]
SUFFIXES = st.one_of(st.just(""), st.sampled_from(FILTERS).map(" | {}".format))


def variables(traits: dict[str, Any]) -> dict[str, Any]:
    event = {"message_id": "m1", "event_type": "e", "timestamp": NOON}
    return stream_variables([event | traits | {"timestamp": NOON}], make_env())


@given(traits=st.dictionaries(NAMES, VALUES), expression=EXPRESSIONS, suffix=SUFFIXES)
def test_a_text_or_a_template_error(traits: dict[str, Any], expression: str, suffix: str) -> None:
    source = template()(f"{{% for x in events %}}{{{{ ({expression}){suffix} }}}}{{% endfor %}}")
    try:
        text = render(source, variables(traits), "body")
    except TemplateFailed as error:
        text = error.reason

    assert len(text.encode()) <= MAX_OUTPUT_BYTES


@given(traits=st.dictionaries(TEXT, VALUES, max_size=5))
def test_the_filter_json_is_json(traits: dict[str, Any]) -> None:
    written = json.loads(render("{{ first | json }}", variables(traits), "body"))

    assert set(written) == {"message_id", "event_type", "timestamp", *traits}
    for name, value in traits.items():
        if isinstance(value, str | int | None) and name != "timestamp":
            assert written[name] == value
