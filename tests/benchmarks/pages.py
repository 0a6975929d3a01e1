"""The documentation's pages, which show what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXPLANATION = DOCS / "explanation"


def refresh_pages() -> list[Path]:
    """Bring the generated regions of the pages up to date; return the files written."""
    sys.path.insert(0, str(DOCS / "_ext"))
    from generated_reference.pages import refresh

    return [DOCS / name for name in refresh(DOCS)]
