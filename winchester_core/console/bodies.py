"""Bodies of messages and payloads of effects as text for people, their secrets masked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from winchester_core.masking import body_text, masked_body

MAX_SHOWN_BODY: Final = 131_072
"""Maximum length of a body on a page, in characters."""


@dataclass(frozen=True, slots=True)
class ShownBody:
    """A body as text. If `is_json`, no secret is shown whose key tells that it is one.

    Otherwise its secrets are masked only as far as they are found in the text.
    """

    text: str
    is_json: bool

    @property
    def is_cut(self) -> bool:
        """Whether a page shows only its beginning."""
        return len(self.text) > MAX_SHOWN_BODY


def masked_text_of(body: bytes) -> ShownBody:
    """Return a body with its secrets masked; JSON is indented."""
    value: Any = masked_body(body)
    if not is_json(body):
        return ShownBody(value, is_json=False)
    return ShownBody(json.dumps(value, indent=2, ensure_ascii=False), is_json=True)


def is_json(body: bytes) -> bool:
    """Return whether a body is JSON."""
    try:
        json.loads(body_text(body))
    except (ValueError, RecursionError):
        return False
    return True
