"""Display of a rejected message's body: complete, with secrets masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.masking import body_text, masked_body, masked_text

SECRET = "hush-hush"


def test_json_is_shown_with_secrets_masked() -> None:
    body = {
        "id": 1,
        "auth_token": SECRET,
        "payload": {"adminPassword": {"a": [SECRET]}, "ok": [{"client_secret": 5}, None]},
        "token": None,
        "url": f"amqp://me:{SECRET}@host/",
        "log": f"sent Authorization: Bearer {SECRET} to host",
    }
    assert masked_body(json.dumps(body).encode()) == {
        "id": 1,
        "auth_token": "***",
        "payload": {"adminPassword": "***", "ok": [{"client_secret": "***"}, None]},
        "token": None,
        "url": "amqp://me:***@host/",
        "log": "sent Authorization: *** to host",
    }


def test_secrets_within_a_nested_json_envelope_are_masked() -> None:
    inner = json.dumps({"payload": {"password": SECRET, "host": "a"}})
    envelope = json.dumps({"oslo.version": "2.0", "oslo.message": inner}).encode()
    shown = masked_body(envelope)
    assert json.loads(shown["oslo.message"]) == {"payload": {"password": "***", "host": "a"}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"token": "hush", "host": "a"', '{"token": ***, "host": "a"'),
        ('{"a": 1, "password": "hu\\"sh", "host": "a"', '{"a": 1, "password": ***, "host": "a"'),
        ('"oslo.message": "{\\"password\\": \\"hu\\\\\\"sh\\", \\"h\\": 1', None),
        ('{"secret": "hush', '{"secret": ***'),
        ('{"secret": ["hush", "hush"], "host"', '{"secret": ***'),
        ('{"secrets": {"a": "hush"}', '{"secrets": ***'),
        ("X-Auth-Token: hush\nHost: a", "X-Auth-Token: ***\nHost: a"),
        ("Authorization: hush", "Authorization: ***"),
        ("Authorization: Bearer hush\nHost: a", "Authorization: ***\nHost: a"),
        ("authorization = basic  hush, a", "authorization = ***, a"),
        ("password=hush&user=me", "password=***&user=me"),
        ("{'token': 'hush', 'host': 'a'}", "{'token': ***, 'host': 'a'}"),
        ("the token was late", "the token was late"),
        ("http://me:hush@host/", "http://me:***@host/"),
        ("", ""),
    ],
)
def test_text_that_is_not_json_is_masked_generously(text: str, shown: str | None) -> None:
    masked = masked_text(text)
    assert "hush" not in masked
    assert "sh\\" not in masked
    assert shown is None or masked == shown


REPEATS = 200_000
"""Linear work on this much text takes a moment; quadratic work would take hours."""


@pytest.mark.parametrize("part", ["a", "://a:", "?a", '"', "token"])
def test_a_long_text_without_a_secret_is_shown_whole(part: str) -> None:
    text = part * (REPEATS // len(part))
    assert masked_text(text) == text


def test_every_secret_of_a_long_text_is_masked() -> None:
    repeats = REPEATS // 18
    assert masked_text('token="hush" and ' * repeats) == "token=*** and " * repeats
    assert masked_text('token="x token="x ' * repeats) == "token=***x " * repeats
    assert masked_text("token=\\" * REPEATS) == "token=***"


def test_json_nested_too_deeply_does_not_bypass_the_mask() -> None:
    body = b'{"a":' * 5000 + f'{{"password": "{SECRET}"}}'.encode() + b"}" * 5000
    assert SECRET not in json.dumps(masked_body(body))


def test_undecodable_bytes_are_escaped() -> None:
    assert body_text(b"a\xff\x00") == "a\\xff\x00"
    assert masked_body(b"\xff token=hush") == "\\xff token=***"


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32-be"])
def test_secrets_in_other_encodings_are_masked(charset: str) -> None:
    shown = masked_body(json.dumps({"token": SECRET, "host": "a"}).encode(charset))
    assert shown.endswith('{"token": ***, "host": "a"}')


KEYS = st.sampled_from(["password", "auth_token", "db_secret", "os.password", "API_KEY"])
PLAIN = st.sampled_from(["host", "id", "n"])


def _with_secret(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.dictionaries(PLAIN, children, max_size=3),
        st.lists(children, max_size=3),
        st.builds(json.dumps, st.dictionaries(PLAIN, children, min_size=1, max_size=2)),
    )


@given(
    st.recursive(
        st.one_of(st.integers(), st.builds(lambda key: {key: SECRET}, KEYS)),
        _with_secret,
        max_leaves=8,
    ),
    st.integers(0, 30),
)
def test_no_secret_is_shown_whole_or_in_part(value: Any, cut: int) -> None:
    text = json.dumps(value)
    for body in (text, text[: len(text) - cut]):
        assert SECRET not in json.dumps(masked_body(body.encode()))
