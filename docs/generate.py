"""Brings the generated regions of the reference up to date: `python docs/generate.py`.

With `--check` it writes nothing, and its exit status is 1 when something is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

from generated_reference.pages import outdated, refresh  # noqa: E402 - found by the line above


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    if arguments == ["--check"]:
        stale = sorted(outdated(DOCS))
        sys.stdout.writelines(f"docs/{name} is out of date: run 'make docs'\n" for name in stale)
        return 1 if stale else 0
    sys.stdout.writelines(f"docs/{name} is brought up to date\n" for name in refresh(DOCS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
