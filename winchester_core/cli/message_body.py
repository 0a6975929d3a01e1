"""The body of a message as it is shown: JSON as it is, secrets hidden.

What is told of a body comes from outside, and often it is no JSON: that may be why the message
was rejected. Secrets are then looked for in the text, and rather too much is hidden than too
little.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from winchester_core.config.secrets import MASK, SECRET_KEY, is_secret_key, mask_url

MAX_JSON_DEPTH: Final = 100
"""JSON within texts within JSON is looked into this deep; what is deeper is hidden."""

_KEY = re.compile(rf"(?:{SECRET_KEY.pattern})[\w.-]*", re.IGNORECASE)
"""A secret key from where it is known as one; its beginning is of no use, and costly to find."""
_TO_VALUE = re.compile(r"""\\*["']?\s*(?:=>|[:=])\s*""")
_QUOTED = re.compile(r"""(?P<escape>\\*)(?P<quote>["'])""")
_BARE = re.compile(r"[^\s,;&}\])]*")


def shown_body(body: bytes) -> Any:
    """The body as JSON, or as text when it is none, the values of secret keys masked."""
    text = body_text(body)
    try:
        return _masked(json.loads(text), MAX_JSON_DEPTH)
    except (ValueError, RecursionError):
        return masked_text(text)


def body_text(body: bytes) -> str:
    """The body as text; bytes that are no UTF-8 are written as ``\\xff``."""
    return body.decode("utf-8", errors="backslashreplace")


def masked_text(text: str) -> str:
    """Text that need not be JSON, with what follows secret keys masked.

    A quoted value is masked up to the quote that ends it, a bare one up to the next blank or
    comma; of a list or an object nobody can tell the end, so that the rest of the text goes.
    """
    kept: list[str] = []
    position = 0
    while key := _KEY.search(text, position):
        separator = _TO_VALUE.match(text, key.end())
        if separator is None:
            kept.append(text[position : key.end()])
            position = key.end()
            continue
        kept += [text[position : separator.end()], MASK]
        position = _end_of_value(text, separator.end())
    kept.append(text[position:])
    return mask_url("".join(kept))


def _end_of_value(text: str, begin: int) -> int:
    if text[begin : begin + 1] in ("{", "["):
        return len(text)
    quoted = _QUOTED.match(text, begin)
    if quoted is None:
        bare = _BARE.match(text, begin)
        return begin if bare is None else bare.end()
    # a quote that ends it is escaped as often as the one that opens it
    closing = re.compile(rf"(?<!\\){re.escape(quoted['escape'])}{quoted['quote']}")
    end = closing.search(text, quoted.end())
    return len(text) if end is None else end.end()


def _masked(value: Any, depth: int) -> Any:
    """Mask JSON, and JSON that stands in its texts, as in the envelopes of oslo.messaging."""
    if depth == 0:
        return MASK
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret_key(key) and item is not None else _masked(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, depth - 1) for item in value]
    if isinstance(value, str):
        return _masked_within(value, depth)
    return value


def _masked_within(text: str, depth: int) -> str:
    if text.lstrip()[:1] not in ("{", "["):
        return mask_url(text)
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return masked_text(text)
    return json.dumps(_masked(inner, depth - 1))
