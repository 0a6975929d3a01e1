"""Update the generated regions of the documentation: `python docs/generate.py`.

With `--check` it writes nothing; the exit status is 1 if something is outdated.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

from generated_reference.pages import outdated, refresh  # noqa: E402 - needs the path above


def main(arguments: list[str]) -> int:
    """Update or check the pages; return the exit status."""
    if arguments == ["--check"]:
        stale = sorted(outdated(DOCS))
        sys.stdout.writelines(f"docs/{name} is outdated: run 'make docs'\n" for name in stale)
        return 1 if stale else 0
    sys.stdout.writelines(f"docs/{name} updated\n" for name in refresh(DOCS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
