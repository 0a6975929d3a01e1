"""`winchester plugin new`: the generated package works unchanged."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.package_installation import environment, install
from winchester_core.cli.commands.plugin_new import KINDS, MAX_NAME_LENGTH, package_files
from winchester_core.plugins import group_noun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conftest import Winchester
    from support.scenes.sites import Site

NAMES = {kind: f"my_{kind}" for kind in KINDS}
RUFF, MYPY, PYTEST = ([sys.executable, "-m", each] for each in ("ruff", "mypy", "pytest"))


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with generated packages, and the folder that they are installed into."""

    directory: Path
    site: Path

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the packages installed."""
        return subprocess.run(
            command,
            cwd=folder,
            env=environment(self.site),
            capture_output=True,
            text=True,
            timeout=BOUND_SECONDS,
            check=False,
        )

    def package(self, kind: str) -> Path:
        """Return the path of the package of a kind."""
        return self.directory / f"winchester-my-{kind}"

    def demand(self, kind: str, *command: str) -> None:
        """Run a program in the package of a kind and assert that it succeeds."""
        ended = self.run(self.package(kind), *command)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A generated and installed package of each kind."""
    made = Place(tmp_path_factory.mktemp("author"), tmp_path_factory.mktemp("site"))
    for kind, name in NAMES.items():
        ended = made.run(made.directory, "winchester", "plugin", "new", kind, name)
        assert (ended.returncode, ended.stderr) == (0, "")
    install(made.site, *map(made.package, KINDS))
    return made


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_the_generated_tests_pass(place: Place, kind: str) -> None:
    place.demand(kind, *PYTEST, "-q", "-p", "no:cacheprovider")


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_ruff_finds_nothing(place: Place, kind: str) -> None:
    place.demand(kind, *RUFF, "check", "--no-cache", ".")
    place.demand(kind, *RUFF, "format", "--no-cache", "--check", ".")


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_mypy_finds_nothing(place: Place, kind: str) -> None:
    place.demand(kind, *MYPY, "--cache-dir", str(place.directory / ".mypy_cache"))


@pytest.mark.packaging
def test_each_generated_plugin_is_found_by_name(place: Place) -> None:
    ended = place.run(place.directory, "winchester", "plugin", "list", "-f", "json")
    listed = {(each["group"], each["name"]): each for each in json.loads(ended.stdout)}

    for kind, name in NAMES.items():
        found = listed[KINDS[kind], name]
        assert (found["distribution"], found["problem"]) == (f"winchester-my-{kind}", None)


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_plugin_check_finds_nothing(place: Place, kind: str) -> None:
    place.demand(kind, "winchester", "plugin", "check", f"winchester-my-{kind}")


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_the_generated_readme_explains_the_use(place: Place, kind: str) -> None:
    readme = (place.package(kind) / "README.md").read_text()

    assert readme.startswith(f"# winchester-my-{kind}\n")
    assert f"`{NAMES[kind]}`" in readme
    assert "plugin_name" not in readme


def test_generated_lines_fit_for_names_of_any_length(tmp_path: Path) -> None:
    for kind in KINDS:
        for name in ("a", "x" * MAX_NAME_LENGTH):
            _write(tmp_path / f"{kind}-{len(name)}", package_files(kind, name))
    ended = subprocess.run(
        [*RUFF, "check", "--no-cache", "."], cwd=tmp_path, capture_output=True, check=False
    )
    formatted = subprocess.run(
        [*RUFF, "format", "--no-cache", "--diff", "."],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout.decode()
    assert formatted.returncode == 0, formatted.stdout.decode()


def test_two_generated_handlers_have_different_id_namespaces() -> None:
    first, second = (package_files("handler", "mine") for _ in range(2))

    assert [path for path in first if first[path] != second[path]] == [
        path for path in first if path.name == "handler.py"
    ]


def test_written_files_and_next_steps_are_printed(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "plugin", "new", "trait", "my_own", "--dir", "plugins/two words")

    assert ended.status == 0
    assert ended.out == (
        "written in plugins/two words: README.md, pyproject.toml, tests/test_trait.py, "
        "winchester_my_own/__init__.py, winchester_my_own/py.typed, winchester_my_own/trait.py\n"
        "\n"
        "The next commands install it, run its tests, and show the installed plugin:\n"
        "\n"
        "cd 'plugins/two words'\n"
        "pip install -e '.[test]'\n"
        "pytest\n"
        "winchester plugin show my_own\n"
    )
    written = site.path / "plugins" / "two words" / "pyproject.toml"
    assert stat.S_IMODE(written.stat().st_mode) & ~0o640 == 0
    assert 'name = "winchester-my-own"' in written.read_text()


def test_nothing_is_overwritten(winchester: Winchester, site: Site) -> None:
    (site.path / "winchester-mine").mkdir()
    ended = winchester(site, "plugin", "new", "handler", "mine")

    assert ended.status == 1
    assert "winchester-mine already exists, and nothing is overwritten" in ended.err
    assert list((site.path / "winchester-mine").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("handler", "Door-Report", "did you mean 'door_report'?"),
        ("handler", "door__report", "did you mean 'door_report'?"),
        ("handler", "../door", "did you mean 'door'?"),
        ("handler", "2nd", "expected lower-case letters, digits and single underscores"),
        ("handler", "größe", "is not a valid plugin name"),
        ("handler", "", "is not a valid plugin name"),
        ("handler", "x" * (MAX_NAME_LENGTH + 1), f"at most {MAX_NAME_LENGTH} allowed"),
        ("handler", "usage", "is taken by the handler of winchester-core"),
        ("source", "jsonl", "is taken by the event source of winchester-core"),
        ("condition", "not", "it is a keyword of criteria"),
        ("handler", "core", "a package winchester_core is already installed"),
        ("sauce", "mine", "invalid choice: 'sauce'"),
    ],
)
def test_an_invalid_name_is_refused(
    winchester: Winchester, site: Site, kind: str, name: str, reason: str
) -> None:
    before = sorted(site.path.iterdir())
    ended = winchester(site, "plugin", "new", kind, name)

    assert (ended.status, ended.out) == (2, "")
    assert reason in ended.err
    assert sorted(site.path.iterdir()) == before


def test_a_name_of_a_plugin_of_another_kind_is_allowed(winchester: Winchester, site: Site) -> None:
    assert winchester(site, "plugin", "new", "condition", "usage").status == 0


def test_every_plugin_kind_has_a_template() -> None:
    assert {kind: group_noun(group) for kind, group in KINDS.items()} == {
        "handler": "handler",
        "condition": "condition",
        "source": "event source",
        "trait": "trait plugin",
    }


def _write(directory: Path, files: Mapping[Any, str]) -> None:
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
