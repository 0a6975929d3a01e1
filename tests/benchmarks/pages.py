"""Update of the documentation pages that show the figures."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXPLANATION = DOCS / "explanation"


def refresh_pages() -> list[Path]:
    """Update the generated regions of the pages; return the files written."""
    sys.path.insert(0, str(DOCS / "_ext"))
    from generated_reference.pages import refresh

    return [DOCS / name for name in refresh(DOCS)]
