"""The CI files run the gate with every supported Python, and with the servers of the tests."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from support.servers import brokers
from support.servers.databases import SERVERS
from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {"gate": [".ci/install-servers", ".ci/run"], "databases": [".ci/install-programs"]}


@pytest.fixture
def github(checkout: Path) -> dict[str, Any]:
    text = (checkout / ".github" / "workflows" / "gate.yml").read_text()
    jobs: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return jobs


@pytest.fixture
def gitlab(checkout: Path) -> dict[str, Any]:
    text: dict[str, Any] = yaml.safe_load((checkout / ".gitlab-ci.yml").read_text())
    return text


def supported_pythons() -> list[str]:
    """Return the versions of Python in the metadata."""
    classifiers = metadata(DISTRIBUTION).get_all("Classifier") or []
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in classifiers
    ]
    return [each[1] for each in found if each]


def test_the_gate_runs_with_every_supported_python(
    github: dict[str, Any], gitlab: dict[str, Any]
) -> None:
    (matrix,) = gitlab["gate"]["parallel"]["matrix"]
    assert github["gate"]["strategy"]["matrix"]["python"] == supported_pythons()
    assert matrix["PYTHON"] == supported_pythons()


@pytest.mark.parametrize("job", COMMANDS)
def test_both_run_the_same_existing_commands(
    checkout: Path, github: dict[str, Any], gitlab: dict[str, Any], job: str
) -> None:
    run = [each["run"] for each in github[job]["steps"] if "run" in each]
    assert run == gitlab[job]["script"]
    assert [each for each in run if each.startswith(".ci/")] == COMMANDS[job]
    for command in run:
        if command.startswith("make "):
            subprocess.run(
                [*command.split(), "--dry-run"], cwd=checkout, check=True, capture_output=True
            )
        else:
            assert os.access(checkout / command, os.X_OK)


@pytest.mark.parametrize("job", COMMANDS)
def test_the_addresses_of_the_tests_are_those_of_the_services(
    github: dict[str, Any], gitlab: dict[str, Any], job: str
) -> None:
    variables = {name for name, _ in SERVERS.values()}
    if job == "gate":
        variables.add(brokers.URL_VARIABLE)
    of_gitlab = {**gitlab["variables"], **gitlab[job].get("variables", {})}
    aliases = {each["alias"] for each in gitlab[job]["services"]}
    for environment, services in (
        (github[job]["env"], github[job]["services"]),
        (of_gitlab, aliases),
    ):
        urls = [make_url(url) for name, url in environment.items() if name in variables]
        assert {url.host for url in urls} == set(services)
        assert len(urls) == len(variables)


def test_the_gate_has_the_servers_of_contributors(
    checkout: Path, github: dict[str, Any], gitlab: dict[str, Any]
) -> None:
    servers = yaml.safe_load((checkout / "docker-compose.yaml").read_text())["services"]
    for name, service in github["gate"]["services"].items():
        assert service["image"] == servers[name]["image"]
        assert "--health-cmd" in service["options"]
    images = {each["alias"]: each["name"] for each in gitlab["gate"]["services"]}
    assert images == {name: each["image"] for name, each in github["gate"]["services"].items()}


def test_both_test_the_store_with_the_same_databases(
    github: dict[str, Any], gitlab: dict[str, Any]
) -> None:
    of_gitlab = gitlab["databases"]["parallel"]["matrix"]
    assert github["databases"]["strategy"]["matrix"]["include"] == [
        {name.lower(): value for name, value in each.items()} for each in of_gitlab
    ]


def test_a_workflow_may_only_read(checkout: Path) -> None:
    workflow = yaml.safe_load((checkout / ".github" / "workflows" / "gate.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
