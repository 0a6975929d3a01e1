"""What an editor shows of a key: VS Code knows the default, and shows but the description."""

from __future__ import annotations

import json
from typing import Any

from winchester_core.schemas.nesting import with_inner


def with_defaults_told(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `schema` in which every description, plain text, tells the default, too."""
    done = with_inner(schema, with_defaults_told, with_defaults_told)
    if "default" in done:
        told = f"Default: {json.dumps(done['default'], ensure_ascii=False)}"
        description = done.get("description")
        done["description"] = f"{description}\n\n{told}" if description else told
    return done
