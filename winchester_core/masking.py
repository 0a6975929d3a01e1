"""Masking of passwords and tokens in logs, errors and output."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
MIN_TOKEN_LENGTH = 32
"""Minimum length of a token of the console. A text that is shorter is no such token."""

AUTH_SCHEME = r"(?: (?: bearer | basic | token ) \s++ )?"
"""Scheme before the secret in a header `Authorization`."""
MASKED_NAME = (
    r"passw|passphrase|\bpwd\b|secret|token|credential|authorization"
    r"|(?:api|auth|access|private|signing)[_-]?key|oauthbearer[._]config"
)
"""Pattern of names with secret values, case-insensitive. There is no other such list."""

SECRET_KEY = re.compile(rf"{MASKED_NAME}|\bauth\b|key", re.IGNORECASE)
"""Names in structured data. There `key` is secret; in text (`KeyError: 'a'`) it is not."""

_SECRET_NAME = re.compile(MASKED_NAME, re.IGNORECASE)
_SECRET_HEADER = re.compile(rf"{MASKED_NAME}|cookie|signature", re.IGNORECASE)

_SECRET_VALUE = re.compile(
    rf"""
    ( (?: {MASKED_NAME} ) [\w-]{{0,64}}+ (?:\\?['"])? \s{{0,4}}+ [:=] \s{{0,4}}+ )
    (?: \\["'] (?: [^\\\n] | \\[^"'\n] )*+ (?: \\["'] )?
      | [bru]{{0,2}} ' (?: [^'\\\n] | \\. )*+ '?
      | [bru]{{0,2}} " (?: [^"\\\n] | \\. )*+ "?
      | {AUTH_SCHEME} [^\s,;&'")\]}}]++
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


def is_secret_header(name: str) -> bool:
    """Return whether a header of a request, or a parameter of its query, is a credential."""
    return _SECRET_HEADER.search(name) is not None


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


# Message bodies.
#
# A body is untrusted and often not JSON, which may be the reason for its rejection. Then secrets
# are searched in the text; in case of doubt, more is masked rather than less.


MAX_JSON_DEPTH = 100
"""Maximum nesting depth, including JSON within strings; deeper values are masked."""

_SECRET_KEY = re.compile(rf"(?:{SECRET_KEY.pattern})[\w.-]*", re.IGNORECASE)
"""The secret part of a key. Its prefix is not needed and expensive to match."""
_SEPARATOR = re.compile(r"""\\*["']?\s*(?:=>|[:=])\s*""")
_OPENING_QUOTE = re.compile(r"""(?P<escape>\\*)(?P<quote>["'])""")
_UNQUOTED_VALUE = re.compile(rf"{AUTH_SCHEME} [^\s,;&}}\])]*", re.IGNORECASE | re.VERBOSE)


def masked_body(body: bytes) -> Any:
    """Return the body as JSON, or else as text, with the values of secret keys masked."""
    text = body_text(body)
    try:
        return _mask_value(json.loads(text), MAX_JSON_DEPTH)
    except (ValueError, RecursionError):
        return masked_text(text.replace("\0", ""))  # UTF-16 has NULs between the letters


_PUBLIC_HEADER = re.compile(
    r"(?:event|idempotency|message|partition|routing)[_-]key", re.IGNORECASE
)
"""Headers with `key` that are not secret, as `X-Event-Key` of Bitbucket, the type of an event."""


def masked_context(context: str) -> Any:
    """Return the context of a rejected message, which is JSON, with secrets masked.

    Other names with `key` are masked only in headers: `key` and `routing_key` are properties of
    brokers.
    """
    content: dict[str, Any] = json.loads(context)
    public = {name: value for name, value in content["headers"].items() if _is_public_header(name)}
    properties = {
        name: MASK if _SECRET_NAME.search(name) else masked(value)
        for name, value in content["properties"].items()
    }
    headers = {**masked(content["headers"]), **public}
    return {**content, "headers": headers, "properties": properties}


def _is_public_header(name: str) -> bool:
    return _PUBLIC_HEADER.search(name) is not None and _SECRET_NAME.search(name) is None


def body_text(body: bytes) -> str:
    """Decode the body; bytes that are not UTF-8 become escapes such as ``\\xff``."""
    return body.decode("utf-8", errors="backslashreplace")


def masked_text(text: str) -> str:
    """Mask the values of secret keys in text that need not be JSON.

    A quoted value is masked up to its closing quote, an unquoted one up to the next space or
    comma; a scheme such as `Bearer` is part of the value. A list or an object has no reliable end:
    the rest of the text is masked.
    """
    parts: list[str] = []
    position = 0
    while key := _SECRET_KEY.search(text, position):
        separator = _SEPARATOR.match(text, key.end())
        if separator is None:
            parts.append(text[position : key.end()])
            position = key.end()
            continue
        parts += [text[position : separator.end()], MASK]
        position = _end_of_value(text, separator.end())
    parts.append(text[position:])
    return mask_url("".join(parts))


def _end_of_value(text: str, begin: int) -> int:
    if text[begin : begin + 1] in ("{", "["):
        return len(text)
    opening = _OPENING_QUOTE.match(text, begin)
    if opening is None:
        unquoted = _UNQUOTED_VALUE.match(text, begin)
        return begin if unquoted is None else unquoted.end()
    # the closing quote has as many backslashes as the opening one
    closing = re.compile(rf"(?<!\\){re.escape(opening['escape'])}{opening['quote']}")
    end = closing.search(text, opening.end())
    return len(text) if end is None else end.end()


def _mask_value(value: Any, depth: int) -> Any:
    """Mask secrets in JSON and in JSON within its strings, as in oslo.messaging envelopes."""
    if depth == 0:
        return MASK
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret_key(key) and item is not None else _mask_value(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mask_value(item, depth - 1) for item in value]
    if isinstance(value, str):
        return _mask_embedded_json(value, depth)
    return value


def _mask_embedded_json(text: str, depth: int) -> str:
    if text.lstrip()[:1] not in ("{", "["):
        return mask_text(text)
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return masked_text(text)
    return json.dumps(_mask_value(inner, depth - 1))
