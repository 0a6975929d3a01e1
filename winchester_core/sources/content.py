"""Media type and charset in the content type of a message body."""

from __future__ import annotations

import codecs
import encodings
import encodings.aliases
import pkgutil
import re
from functools import lru_cache
from typing import Final

DEFAULT_CHARSET: Final = "utf-8"

NO_CHARSETS: Final = frozenset(
    (
        "charmap",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "raw-unicode-escape",
        "undefined",
        "unicode-escape",
        "utf-7",
    )
)
"""Python codecs from bytes to text that are not character encodings."""

CODECS: Final = frozenset(
    (
        *encodings.aliases.aliases,
        *(module.name for module in pkgutil.iter_modules(encodings.__path__)),
    )
)
"""Normalized names of Python's codecs. `codecs.lookup` would cache any other name forever."""

CACHED_TYPES: Final = 64
"""Number of content types whose parts are cached. Senders use few."""

_PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;]*+))', re.DOTALL)
_CHARSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}")


@lru_cache(maxsize=CACHED_TYPES)
def media_type(content_type: str) -> str:
    """Return the media type in lower case, without its parameters; empty if there is none."""
    return content_type.partition(";")[0].strip().lower()


def is_json_type(media_type: str) -> bool:
    """Return whether a body of this type is JSON. A body without a type counts as JSON."""
    return media_type == "" or media_type.endswith(("/json", "+json"))


@lru_cache(maxsize=CACHED_TYPES)
def declared_charset(content_type: str) -> str:
    """Return the charset that a content type declares (it may be unknown), or else UTF-8."""
    if ";" not in content_type:
        return DEFAULT_CHARSET
    for name, quoted, value in _PARAMETER.findall(content_type):
        if name.partition("*")[0].lower() == "charset":  # "charset*": RFC 2231, which is for mail
            return re.sub(r"\\(.)", r"\1", quoted) or str(value)
    return DEFAULT_CHARSET


def decode_text(body: bytes, charset: str) -> str:
    """Decode a body.

    Raises `ValueError` if the charset is unknown, is a codec but not a charset (such as
    `unicode_escape`), or if the body is not text in this charset. The message continues "the body".
    """
    known = _known_charset(charset)
    try:
        return body.decode(known)
    except LookupError:  # a codec from bytes to bytes
        raise _unknown(charset) from None
    except UnicodeError:
        raise ValueError(f"is not text in {known}") from None


def to_utf8(body: bytes, charset: str) -> bytes:
    """Convert a body to UTF-8, unless it is UTF-8. Raises the same errors as `decode_text`."""
    if charset == DEFAULT_CHARSET or _known_charset(charset) == DEFAULT_CHARSET:
        return body
    return decode_text(body, charset).encode()


def _known_charset(charset: str) -> str:
    name = encodings.normalize_encoding(charset).lower() if _CHARSET_NAME.fullmatch(charset) else ""
    if name.replace(".", "_") not in CODECS:
        raise _unknown(charset)
    try:
        known = codecs.lookup(name).name
    except LookupError:  # a module that is no codec, or is not available on this system
        raise _unknown(charset) from None
    if known in NO_CHARSETS:
        raise _unknown(charset)
    return known


def _unknown(charset: str) -> ValueError:
    return ValueError(f"has an unknown charset: {charset[:40]!r}")
