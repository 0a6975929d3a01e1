"""Installation of packages without the network, beside what is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).resolve().parents[3]
WANTED_SETUPTOOLS = 77
"""The first version that supports `license = "Apache-2.0"` of pyproject.toml."""


def install(target: Path, *packages: Path) -> None:
    """Install packages into a folder, with the local setuptools."""
    require_setuptools()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*command, *offline, *map(str, packages)], check=True, timeout=BOUND_SECONDS)


def environment(*folders: Path) -> Mapping[str, str]:
    """Return the environment of a process with these folders and the local programs.

    Winchester is among the folders, as an editable installation is hidden from type checkers.
    """
    paths = [*map(str, folders), str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    scripts = Path(sys.executable).parent
    return os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def require_setuptools() -> None:
    """Skip, or fail where services are required, without a setuptools that builds packages."""
    try:
        found = version("setuptools")
    except PackageNotFoundError:
        found = "0"
    if int(found.split(".")[0]) < WANTED_SETUPTOOLS:
        lacking = f"building a package needs setuptools {WANTED_SETUPTOOLS}; here is {found}"
        if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)
