"""Media types and charsets of message bodies."""

from __future__ import annotations

import codecs
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.content import (
    declared_charset,
    decode_text,
    is_json_type,
    media_type,
    to_utf8,
)

CAFE = "café"


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("", "utf-8"),
        ("text/plain", "utf-8"),
        ("text/plain; format=flowed", "utf-8"),
        ("text/plain; charset=iso-8859-1", "latin-1"),
        ("text/plain;CharSet = LATIN1", "latin-1"),
        ("text/plain; charset=ISO_8859-1:1987", "latin-1"),
        ("text/plain; charset=iso8859.1", "latin-1"),
        ("text/plain; charset=utf-8-sig", "utf-8-sig"),
        ('text/plain; charset="UTF-16"', "utf-16"),
        (r'text/plain; charset="wind\ows-1252"', "cp1252"),
        ('text/plain; a="; charset=utf-16"; charset=latin-1', "latin-1"),
    ],
)
def test_a_body_is_decoded_by_its_charset(content_type: str, charset: str) -> None:
    body = CAFE.encode(charset)
    declared = declared_charset(content_type)
    assert decode_text(body, declared) == CAFE
    assert to_utf8(body, declared).decode() == CAFE


@pytest.mark.parametrize(
    "charset",
    [
        "odd",
        "",
        '"utf-8',
        "utf-8\0",
        "é",
        "x" * 300,
        "aliases",
        "base64",
        "zip",
        "rot13",
        "unicode_escape",
        "raw_unicode_escape",
        "punycode",
        "idna",
        "undefined",
        "charmap",
        "utf-7",
    ],
)
@pytest.mark.parametrize("name", ["charset", "charset*", "charset*0"])
def test_an_unknown_charset_is_refused(charset: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"^has an unknown charset: "):
        to_utf8(b"a", declared_charset(f"text/plain; {name}={charset}"))


def test_unknown_charsets_are_not_remembered() -> None:
    with mock.patch.object(codecs, "lookup") as lookup:  # it caches names that it does not find
        for name in ("x-odd", "utf-8-odd", "odd.utf-8"):
            with pytest.raises(ValueError, match=r"^has an unknown charset: "):
                to_utf8(b"a", name)
    lookup.assert_not_called()


def test_text_in_another_charset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^is not text in utf-8"):
        decode_text(b"caf\xe9", "utf-8")


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("", True),
        ("application/json; charset=utf-8", True),
        ("Text/JSON", True),
        ("application/problem+json", True),
        ("application/json-seq", False),
        ("text/plain", False),
    ],
)
def test_json_is_recognized_by_its_media_type(content_type: str, is_json: bool) -> None:
    assert is_json_type(media_type(content_type)) is is_json


@given(st.binary(), st.text() | st.text().map("text/plain; charset={}".format))
def test_any_content_type_is_read_or_refused(body: bytes, content_type: str) -> None:
    try:
        charset = declared_charset(content_type)
        recoded = to_utf8(body, charset)
        text = decode_text(body, charset)
    except ValueError:
        return
    assert recoded.decode() == text
