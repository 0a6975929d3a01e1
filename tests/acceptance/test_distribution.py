"""The wheel and the source archive: contents, metadata, and a build without warnings."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from email.parser import Parser
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from support.scenes.package_installation import environment, require_setuptools
from winchester_core.cli.commands.init import FILES
from winchester_core.cli.commands.plugin_new import KINDS, package_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.packaging

LITTER = (
    "winchester.db",
    "etc/winchester.db",
    "etc/sample/demo.log",
    "docs/_build/html/index.html",
    "plugins-example/build/lib/winchester_example/weekday.py",
    "plugins-example/example/reports/visits.csv",
    "tests/__pycache__/builders.cpython-311.pyc",
    "winchester_core/__pycache__/clock.cpython-311.pyc",
    "winchester_core/cli/plugin_templates/handler/tests/__pycache__/test.cpython-311.pyc",
    "build/lib/winchester_core/removed.py",
    ".hypothesis/examples/one",
)
"""Files that running, testing and building leave in a checkout."""

WARNINGS = re.compile(r"warn|deprecat|!!|no files found|no previously-included", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: the tracked files, the folder of the archives, and the build's output."""

    files: frozenset[str]
    folder: Path
    output: str


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build both archives from the tracked files in a checkout with litter."""
    pytest.importorskip("build", reason="the package 'build' is not installed")
    require_setuptools()
    if not (checkout / ".git").exists():
        pytest.skip("this is no git checkout")
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "dist"))
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        capture_output=True,
        check=True,
    )
    files = {name for name in listed.stdout.decode().split("\0") if (checkout / name).is_file()}
    for name in files:
        _write(source / name, (checkout / name).read_bytes())
    for name in LITTER:
        _write(source / name, b"litter")
    finished = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target)],
        cwd=source,
        # without byte code, setuptools warns that there is none
        env=dict(environment()) | {"PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, output[-4000:]
    return Build(frozenset(files), target, output)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def wheel(built: Build) -> zipfile.ZipFile:
    (path,) = built.folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    wheel.extractall(folder)
    return folder


def test_a_build_prints_no_warning(built: Build) -> None:
    suspicious = [line for line in built.output.splitlines() if WARNINGS.search(line)]

    assert "Successfully built winchester_core-" in built.output
    assert suspicious == []


def test_the_wheel_contains_exactly_the_files_of_both_packages(
    built: Build, wheel: zipfile.ZipFile
) -> None:
    packages = ("winchester_core/", "winchester_handlers/")
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert names == {name for name in built.files if name.startswith(packages)}
    assert {f"{package}py.typed" for package in packages} <= names
    assert "winchester_core/storage/migrations/script.py.mako" in names
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_metadata_list_the_dependencies(wheel: zipfile.ZipFile) -> None:
    (name,) = [each for each in wheel.namelist() if each.endswith("METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "winchester-core"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] or metadata["License"] == "Apache-2.0"
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert {"openstack", "postgresql", "mysql", "all", "dev"} <= extras
    plain = [each for each in metadata.get_all("Requires-Dist") or [] if "extra ==" not in each]
    assert not [each for each in plain if each.lower().startswith(("stackdistiller", "psycopg"))]


def test_every_entry_point_target_exists(wheel: zipfile.ZipFile) -> None:
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


def test_installed_programs_write_their_packaged_files(installed: Path, tmp_path: Path) -> None:
    _run_main(installed, tmp_path, "init", "orders")
    assert {path.name for path in (tmp_path / "orders").iterdir()} == set(FILES)

    for kind in KINDS:
        _run_main(installed, tmp_path, "plugin", "new", kind, f"my_{kind}")
        folder = tmp_path / f"winchester-my-{kind}"
        written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        assert {str(path) for path in written} == set(map(str, package_files(kind, f"my_{kind}")))


def test_the_wheel_contains_the_migrations(installed: Path, tmp_path: Path) -> None:
    _run_main(installed, tmp_path, "init", ".")
    upgrade = "from winchester_core.cli.commands.database import main; raise SystemExit(main())"
    _run(installed, tmp_path, upgrade, "-c", "winchester.yaml", "upgrade", "head")
    replayed = _run_main(
        installed, tmp_path, "replay", "-c", "winchester.yaml", "--file", "events.jsonl"
    )
    assert "streams_fired" in replayed


def _run_main(installed: Path, directory: Path, *arguments: str) -> str:
    main = "from winchester_core.cli.main import main; raise SystemExit(main())"
    return _run(installed, directory, main, *arguments)


def _run(installed: Path, directory: Path, program: str, *arguments: str) -> str:
    """Run a program with the packages of the wheel instead of the checkout's."""
    check = f"import winchester_core; assert {str(installed)!r} in winchester_core.__file__\n"
    paths = str(installed)
    finished = subprocess.run(
        [sys.executable, "-c", check + program, *arguments],
        cwd=directory,
        env=dict(environment()) | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_source_archive_contains_exactly_the_tracked_files(built: Build) -> None:
    (path,) = built.folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    generated = {name for name in names if name.startswith("winchester_core.egg-info/")}

    assert names - generated - {"PKG-INFO"} == built.files
