"""A virtual environment like that of a reader, where pip works without the network."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(sysconfig.get_path("scripts"))


def make_environment(directory: Path) -> Mapping[str, str]:
    """Create an environment with everything installed here, and what pip adds.

    Returns the environment variables for processes that run in it.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    python = directory / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True)
    ours = sysconfig.get_path("purelib")
    path_file = Path(found.stdout.strip()) / "installed_here.pth"
    path_file.write_text(f"import site; site.addsitedir({ours!r})\n")
    for script in SCRIPTS.iterdir():
        _copy(script, directory / "bin", python)
    return {
        "PATH": os.pathsep.join([str(directory / "bin"), os.environ.get("PATH", os.defpath)]),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # the value 0 disables build isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _copy(script: Path, target: Path, python: Path) -> None:
    """Copy a Python console script to run under this Python; skip any other program."""
    begin, newline, rest = script.read_bytes().partition(b"\n")
    if not begin.startswith(b"#!") or b"python" not in begin or (target / script.name).exists():
        return
    copy = target / script.name
    copy.write_bytes(b"#!" + str(python).encode() + newline + rest)
    copy.chmod(stat.S_IRWXU)
