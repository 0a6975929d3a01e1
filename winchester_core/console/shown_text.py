"""Text from outside for display: without control characters, of bounded length.

Nothing here escapes HTML; templates and SVG do.
"""

from __future__ import annotations

import re
from typing import Any, Final

CUT: Final = "…"
"""End of a text that was cut."""

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Control characters, lone surrogates, invisible characters, and controls of text direction."""


def shown(value: Any, limit: int = 200) -> str:
    """Return `value` as one line of at most `limit` characters, unsafe characters as escapes."""
    return _shown(str(value), limit, kept="")


def shown_lines(value: Any, limit: int = 65_536) -> str:
    """Return `value` as text of at most `limit` characters, with its lines and tabs."""
    return _shown(str(value).replace("\r\n", "\n"), limit, kept="\n\t")


def _shown(text: str, limit: int, kept: str) -> str:
    is_cut = len(text) > limit
    escaped = _UNSAFE.sub(
        lambda match: match[0] if match[0] in kept else ascii(match[0])[1:-1], text[:limit]
    )
    if is_cut or len(escaped) > limit:
        return escaped[: max(limit - 1, 0)] + CUT
    return escaped
