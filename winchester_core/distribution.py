"""The distribution's name for pip, and the install commands that error messages show.

On PyPI the name `winchester` belongs to another project.
"""

from __future__ import annotations

from typing import Final

DISTRIBUTION: Final = "winchester-core"


def install_command(extra: str) -> str:
    """Return the shell command that adds an extra to the installed Winchester."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
