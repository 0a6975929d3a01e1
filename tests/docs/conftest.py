"""What the tests of the documentation share."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"

for path in (HERE, DOCS / "_ext"):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
