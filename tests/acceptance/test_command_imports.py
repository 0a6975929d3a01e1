"""Commands import only the libraries that they use, so that they start quickly."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.cli.commands.database import main as winchester_db

if TYPE_CHECKING:
    from pathlib import Path

ALWAYS_UNUSED = {
    "alembic",
    "httpx",
    "kombu",
    "oslo_messaging",
    "prometheus_client",
    "stackdistiller",
    "tqdm",
    "uvicorn",
    "winchester_core.ingest.runner",
    "winchester_core.testing",
}
DIALECTS = {"sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql"}
PRINT_MODULES = """\
import sys
from winchester_core.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules, sep="\\n", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new configuration with its database."""
    folder = tmp_path_factory.mktemp("start") / "site"
    modules_of(folder.parent, "init", "site")
    assert winchester_db(["-c", str(folder / "winchester.yaml"), "upgrade", "head"]) == 0
    return folder


def modules_of(site: Path, *arguments: str) -> set[str]:
    """Return the modules loaded at the exit of `winchester` with these arguments."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES, *arguments],
        cwd=site,
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_SECONDS,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (("--version",), {"cliff", "sqlalchemy", "stevedore", "voluptuous", "yaml"}),
        (("--help",), {"sqlalchemy", "voluptuous", "yaml", "winchester_core.bootstrap"}),
        (("check", "-c", "winchester.yaml"), DIALECTS),
        (("stream", "list", "--count", "-c", "winchester.yaml"), DIALECTS),
    ],
    ids=["version", "help", "check", "stream list"],
)
def test_a_command_imports_no_library_it_does_not_use(
    site: Path, arguments: tuple[str, ...], unused: set[str]
) -> None:
    loaded = modules_of(site, *arguments)
    assert "winchester_core.cli.main" in loaded
    assert loaded & (unused | ALWAYS_UNUSED) == set()
