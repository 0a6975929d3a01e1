"""Bodies of messages and payloads of effects as text for people, their secrets masked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from winchester_core.masking import masked_body

MAX_SHOWN_BODY: Final = 131_072
"""Maximum length of a body on a page, in characters."""


@dataclass(frozen=True, slots=True)
class ShownBody:
    """A body as text. If it is not JSON, its secrets are masked only as far as text shows them."""

    text: str
    is_json: bool

    @property
    def is_cut(self) -> bool:
        """Return whether a page shows only its beginning."""
        return len(self.text) > MAX_SHOWN_BODY


def masked_text_of(body: bytes) -> ShownBody:
    """Return a body with its secrets masked. JSON is indented; a JSON string is taken as text."""
    value = masked_body(body)
    if isinstance(value, str):
        return ShownBody(value, is_json=False)
    return ShownBody(json.dumps(value, indent=2, ensure_ascii=False), is_json=True)
