"""Every command that installs Winchester names the correct distribution, extras and wheel."""

from __future__ import annotations

import re
from importlib.metadata import metadata, version
from pathlib import Path

import pytest

from winchester_core.distribution import DISTRIBUTION, install_command

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "docs",
    "etc",
    "plugins-example",
    "tests",
    "tools",
    "winchester_core",
    "winchester_handlers",
)
KINDS = {".md", ".py", ".toml", ".cfg", ".yaml", ".service", ".conf"}
FILES = sorted(
    path
    for path in [
        *(path for path in ROOT.iterdir() if path.is_file()),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")),
    ]
    if (path.suffix in KINDS or path.name == "Makefile")
    and path != Path(__file__).resolve()
    and not {"_build", "build", "dist"} & set(path.relative_to(ROOT).parts)
)

OTHER_PROJECT = [
    re.compile(r"""\bpip3? +(?:install|download|wheel)\b[^\n`]*?[ '"]winchester(?![\w-]|[./]\w)"""),
    re.compile(r"""\bwinchester(?:\[| *[=~<>!]=)"""),
    re.compile(r"pypi\.org/project/winchester/"),
]
"""Forms that pass `winchester` to pip, which is a different project on PyPI."""

CONTRIBUTORS_EXTRAS = {"test", "bench", "docs", "dev"}


def other_project_in(text: str) -> list[str]:
    """Return each place of a text that installs `winchester` as a distribution."""
    return [match[0] for pattern in OTHER_PROJECT for match in pattern.finditer(text)]


def extras_in(text: str) -> set[str]:
    """Return the extras in the installation commands of a text."""
    origins = rf"(?:{DISTRIBUTION}|(?<=')\.|\.whl)"
    found = re.findall(rf"pip install[^\n]*?{origins}\[([a-z,-]+)\]", text)
    return {extra for each in found for extra in each.split(",")}


def test_no_file_installs_another_project_by_our_name() -> None:
    found = {
        str(path.relative_to(ROOT)): places
        for path in FILES
        if (places := other_project_in(path.read_text(encoding="utf-8")))
    }

    assert len(FILES) > 900
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install winchester",
        "pip install winchester pytest",
        "$ pip install --upgrade 'winchester[openstack]'",
        "run pip3 install winchester.",
        'dependencies = ["winchester>=1.0,<2"]',
        "winchester==1.0",
        "https://pypi.org/project/winchester/",
    ],
)
def test_a_command_installing_another_project_is_found(text: str) -> None:
    assert other_project_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install 'winchester-core[openstack]'",
        "pip install ./winchester-weekend",
        "pip install 'winchester_core-1.0-py3-none-any.whl[http]'",
        "winchester [-c FILE] COMMAND",
        "pip install ./winchester.d",
        "pip uninstall winchester",
    ],
)
def test_other_commands_are_allowed(text: str) -> None:
    assert other_project_in(text) == []


def test_every_installed_extra_exists() -> None:
    extras = set(metadata(DISTRIBUTION).get_all("Provides-Extra") or [])
    named = set().union(*(extras_in(path.read_text(encoding="utf-8")) for path in FILES))

    assert {"openstack", "http", "postgresql"} <= named
    assert named - extras == set()


def test_the_installation_page_describes_every_extra_for_users() -> None:
    extras = set(metadata(DISTRIBUTION).get_all("Provides-Extra") or [])
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()

    described = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert described == extras - CONTRIBUTORS_EXTRAS


def test_every_wheel_named_on_a_page_has_the_current_version() -> None:
    pages = [path for path in FILES if path.suffix == ".md"]
    named = [
        name
        for page in pages
        for name in re.findall(r"winchester_core-([^\s'`*]+?)(?:-py3|\.tar)", page.read_text())
    ]

    assert named
    assert set(named) == {version(DISTRIBUTION)}


def test_a_missing_extra_error_names_the_install_command() -> None:
    assert install_command("http") == "pip install 'winchester-core[http]'"
