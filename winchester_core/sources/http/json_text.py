"""Reading JSON exactly: an integer beyond 64 bits stays one, for ingest to judge."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: bytes) -> Any:
    """Return what the UTF-8 `text` holds. Raises `ValueError`, which never quotes it."""
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start + 1}"
    except ValueError as error:
        reason = f"is no JSON: {error}"
    except RecursionError:
        reason = "is nested too deeply"
    raise ValueError(reason)  # not chained: these exceptions carry the whole text
