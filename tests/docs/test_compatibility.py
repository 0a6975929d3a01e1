"""The page about compatibility names the versions of the CI workflow and of the metadata."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page(checkout: Path) -> str:
    return (checkout / "docs" / "reference" / "compatibility.md").read_text()


@pytest.fixture
def jobs(checkout: Path) -> dict[str, Any]:
    """The jobs of the workflow for GitHub; a test compares them with those for GitLab."""
    workflow = (checkout / ".github" / "workflows" / "gate.yml").read_text()
    return dict(yaml.safe_load(workflow)["jobs"])


def cell(page: str, name: str, column: int) -> set[str]:
    """Return the versions in a cell of the row that begins with `name`."""
    (row,) = re.findall(rf"^\| {name}\b.*$", page, re.MULTILINE)
    return set(re.findall(r"\d+(?:\.\d+)?", row.split("|")[column]))


def test_the_page_names_the_tested_versions_of_python(page: str, jobs: dict[str, Any]) -> None:
    assert cell(page, "Python", 3) == set(jobs["gate"]["strategy"]["matrix"]["python"])


def test_the_metadata_name_the_tested_versions_of_python(jobs: dict[str, Any]) -> None:
    classifiers = metadata(DISTRIBUTION).get_all("Classifier") or []
    declared = {each.rpartition(" ")[2] for each in classifiers if ":: 3." in each}

    assert declared == set(jobs["gate"]["strategy"]["matrix"]["python"])


@pytest.mark.parametrize(("name", "server"), [("PostgreSQL", "postgresql"), ("MariaDB", "mariadb")])
def test_the_page_names_the_tested_versions_of_databases(
    page: str, jobs: dict[str, Any], name: str, server: str
) -> None:
    image = jobs["gate"]["services"][server]["image"]
    with_gate = image.rpartition(":")[2]
    matrix = jobs["databases"]["strategy"]["matrix"]["include"]

    assert with_gate in cell(page, name, 2)
    assert cell(page, name, 3) == {with_gate, *(each[server] for each in matrix)}
