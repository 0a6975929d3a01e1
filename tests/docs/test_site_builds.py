"""The site builds without warnings and without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("sphinx", "furo", "myst_parser")


@pytest.mark.packaging
@pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason="the extra 'docs' is not installed"
)
def test_the_site_builds_with_warnings_as_errors(checkout: Path, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    shutil.copytree(checkout / "docs", source, ignore=shutil.ignore_patterns("_build"))

    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", source, tmp_path / "site"],
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    for page in ("index", "tutorial", "reference/commands", "adr/index"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
