"""Static files of the pages, and the version in their addresses."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).parent / "static"
VERSION_PARAMETER: Final = "v"
VERSION_LENGTH: Final = 12


@cache
def static_version() -> str:
    """Return the version of all static files: a hash of their contents."""
    digest = sha256()
    for path in sorted(DIRECTORY.iterdir()):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:VERSION_LENGTH]


def versioned(name: str) -> str:
    """Return the name of a static file with the version, for its address."""
    return f"{name}?{VERSION_PARAMETER}={static_version()}"
