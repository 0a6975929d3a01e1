"""Masking of passwords and tokens in logs, errors and output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
MASKED_NAME = (
    r"passw|passphrase|\bpwd\b|secret|token|credential|authorization"
    r"|(?:api|auth|access|private|signing)[_-]?key"
)
"""Pattern of names with secret values, case-insensitive. There is no other such list."""

SECRET_KEY = re.compile(rf"{MASKED_NAME}|\bauth\b|key", re.IGNORECASE)
"""Names in structured data. There `key` is secret; in text (`KeyError: 'a'`) it is not."""

_SECRET_VALUE = re.compile(
    rf"""
    ( (?: {MASKED_NAME} ) [\w-]{{0,64}}+ (?:\\?['"])? \s{{0,4}}+ [:=] \s{{0,4}}+ )
    (?: \\["'] (?: [^\\\n] | \\[^"'\n] )*+ (?: \\["'] )?
      | [bru]{{0,2}} ' (?: [^'\\\n] | \\. )*+ '?
      | [bru]{{0,2}} " (?: [^"\\\n] | \\. )*+ "?
      | (?: (?: bearer | basic | token ) \s++ )? [^\s,;&'")\]}}]++
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
WORD = re.compile(r"\S+")
USER = re.compile(r"://[^\s:/?#@]*:")
QUERY_VALUE = re.compile(r"(?P<head>[?&;](?P<key>[^=&;?\s]+)=)(?P<value>[^&;\s]*)")


def is_secret_key(key: object) -> bool:
    """Return whether the value of `key` must be masked."""
    return isinstance(key, str) and SECRET_KEY.search(key) is not None


def mask_url(text: str) -> str:
    """Return `text` with passwords in URLs masked.

    Everything up to the last "@" counts as the password, which may contain an unescaped "@".
    Takes linear time for any text.
    """
    masked = WORD.sub(_mask_user_info, text) if "://" in text else text
    return QUERY_VALUE.sub(_mask_query_value, masked)


def mask_text(text: str) -> str:
    """Return free text, such as a traceback, with secrets masked in linear time."""
    return _SECRET_VALUE.sub(rf"\1{MASK}", mask_url(text))


def masked(value: Any) -> Any:
    """Return a copy of plain data with secrets masked."""
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret_key(key) and item is not None else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return mask_url(value) if isinstance(value, str) else value


def _mask_user_info(word: re.Match[str]) -> str:
    text = word[0]
    user, end = USER.search(text), text.rfind("@")
    if user is None or end < user.end():
        return text
    return text[: user.end()] + MASK + text[end:]


def _mask_query_value(match: re.Match[str]) -> str:
    return match["head"] + (MASK if is_secret_key(match["key"]) else match["value"])
