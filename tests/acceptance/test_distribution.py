"""What is built for others: contents, metadata and entry points of wheel and source archive."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and source archive, built from the files that git knows."""
    pytest.importorskip("build", reason="the package 'build' is not installed")
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "dist"))
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    for name in listed.stdout.decode().split("\0"):
        if name and (checkout / name).is_file():
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((checkout / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target)]
    finished = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_module_and_what_is_no_module(
    wheel: zipfile.ZipFile, checkout: Path
) -> None:
    names = set(wheel.namelist())
    for package in ("winchester_core", "winchester_handlers"):
        assert f"{package}/py.typed" in names
        for path in (checkout / package).rglob("*.py"):
            assert path.relative_to(checkout).as_posix() in names
    assert "winchester_core/storage/migrations/script.py.mako" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"winchester_core", "winchester_handlers"}


def test_the_metadata_say_what_is_needed(wheel: zipfile.ZipFile) -> None:
    (name,) = [each for each in wheel.namelist() if each.endswith("METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "winchester-core"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] or metadata["License"] == "Apache-2.0"
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert {"openstack", "postgresql", "mysql", "all", "dev"} <= extras
    plain = [each for each in metadata.get_all("Requires-Dist") or [] if "extra ==" not in each]
    assert not [each for each in plain if each.lower().startswith(("stackdistiller", "psycopg"))]


def test_every_entry_point_names_something_that_is_there(wheel: zipfile.ZipFile) -> None:
    (name,) = [each for each in wheel.namelist() if each.endswith("entry_points.txt")]
    entry_points = ConfigParser(delimiters=["="])
    entry_points.optionxform = str  # type: ignore[assignment, method-assign]
    entry_points.read_string(wheel.read(name).decode())
    wanted = {"winchester.handlers", "winchester.conditions", "winchester.event_sources"}
    assert wanted <= set(entry_points.sections())
    for section in entry_points.sections():
        for value in entry_points[section].values():
            module, _, attribute = value.partition(":")
            assert hasattr(import_module(module), attribute), value


def test_the_source_archive_is_enough_to_build_and_to_read(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "setup.cfg", "pyproject.toml"} <= names
    assert "winchester_core/storage/migrations/versions/r0001_initial_tables.py" in names
