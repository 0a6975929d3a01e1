"""Fingerprint of a part of the configuration, to find processes with different configurations.

It is made of the values in the files, with secrets masked and before environment variables are
substituted. So it reveals no secret, and is equal on hosts with different environments.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from winchester_core.masking import masked

if TYPE_CHECKING:
    from winchester_core.config.document import Document, Node

FINGERPRINT_LENGTH: Final = 16
"""Number of hexadecimal digits."""


def fingerprint(document: Document | None, *others: Node | None) -> str:
    """Return the fingerprint of a document and further values; None is like an empty value.

    The order of keys does not matter.
    """
    nodes = (None if document is None else document.root, *others)
    written = [masked(node.written_value()) if node is not None else None for node in nodes]
    content = json.dumps([_canonical(each) for each in written])
    return hashlib.sha256(content.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def _canonical(value: Any) -> Any:
    """Return plain JSON with sorted pairs in place of mappings; keys may be of any type."""
    if isinstance(value, dict):
        pairs = ((_canonical(key), _canonical(item)) for key, item in value.items())
        return {"pairs": sorted(pairs, key=lambda pair: json.dumps(pair[0]))}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return f"{type(value).__name__} {value}" if hasattr(value, "isoformat") else repr(type(value))
