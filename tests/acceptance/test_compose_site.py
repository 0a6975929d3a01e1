"""The services of etc/container/compose.yaml start existing programs with what they need.

No container is started: the tests read the file, and check configurations with the programs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.probes.container_files import CONTAINER, ROOT, VALUES, required_variables, stages
from support.probes.program_lines import parse_program
from support.servers.private_servers import require_programs
from winchester_core.config import load_settings
from winchester_core.console.options import ConsoleOptions
from winchester_core.service.exit import CLEANUP_SECONDS, FLUSH_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROGRAMS = {name: each for name, each in SERVICES.items() if "build" in each}
LONG_RUNNING = sorted(set(PROGRAMS) - {"migrate"})
SERVERS = {name: each for name, each in SERVICES.items() if "build" not in each}
VARIABLE = re.compile(r"\$\{(\w+)(:[?-][^}]*)?\}")


def test_the_site_is_complete() -> None:
    assert set(PROGRAMS) == {"migrate", "ingest", "worker", "console"}
    assert set(SERVERS) == {"postgresql", "prometheus", "grafana"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_service_starts_an_existing_program_with_valid_options(name: str) -> None:
    parse_program(PROGRAMS[name]["command"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gets_every_variable_of_the_configuration(name: str) -> None:
    environment = PROGRAMS[name]["environment"]
    assert required_variables() <= set(environment)
    for value in environment.values():
        used = VARIABLE.findall(value)
        assert used, f"{value} is written in the file"
        assert all(default for _, default in used), f"{value} may be empty"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_cannot_change_its_container(name: str) -> None:
    service = PROGRAMS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.endswith(":ro") for volume in service["volumes"])


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_program_has_time_to_stop_and_is_restarted(name: str) -> None:
    assert PROGRAMS[name]["stop_grace_period"] == "1m"
    bound = load_settings(CONTAINER / "site" / "winchester.yaml", environ=VALUES).shutdown_timeout
    assert bound + 2 * CLEANUP_SECONDS + FLUSH_SECONDS < 60
    assert PROGRAMS[name]["restart"] == "unless-stopped"


def test_programs_start_after_the_migration_and_the_migration_after_the_database() -> None:
    assert SERVICES["migrate"]["command"] == ["winchester_db", "upgrade", "head"]
    assert SERVICES["migrate"]["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
    for name in LONG_RUNNING:
        after = PROGRAMS[name]["depends_on"]
        assert after == {"migrate": {"condition": "service_completed_successfully"}}


def test_all_but_the_migration_have_health_checks() -> None:
    _, _, image = stages(CONTAINER / "Dockerfile")
    assert [each for each in image if each.name == "HEALTHCHECK"]
    assert PROGRAMS["migrate"]["healthcheck"] == {"disable": True}
    assert not [name for name in LONG_RUNNING if "healthcheck" in PROGRAMS[name]]
    assert all("test" in each["healthcheck"] for each in SERVERS.values())


def test_ports_are_published_on_this_host_only() -> None:
    settings = load_settings(CONTAINER / "site" / "winchester.yaml", environ=VALUES)
    (web,) = settings.event_sources.values()
    listen = parse_program(SERVICES["console"]["command"]).listen
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    for name, port in (("ingest", web.params["port"]), ("console", listen[1])):
        assert published.pop(name) == [f"127.0.0.1:{port}:{port}"]
    assert set(published) == {"prometheus", "grafana"}
    assert all(each.startswith("127.0.0.1:") for ports in published.values() for each in ports)


def test_the_console_accepts_requests_of_this_host() -> None:
    environment = PROGRAMS["console"]["environment"]
    default = environment["WINCHESTER_PUBLIC_URL"].partition(":-")[2].rstrip("}")
    parsed = parse_program(SERVICES["console"]["command"])
    settings = load_settings(
        CONTAINER / "site" / "winchester.yaml",
        environ=VALUES | {"WINCHESTER_PUBLIC_URL": default},
        needs={"database", "console"},
    )
    options = ConsoleOptions.of(settings, parsed.listen, insecure=parsed.insecure)
    assert {"http://127.0.0.1:8100", "http://localhost:8100"} <= options.allowed_origins()


def test_the_example_lists_exactly_the_secrets_and_gives_none() -> None:
    text = (CONTAINER / "env.example").read_text()
    given = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    required = {
        name
        for name, default in VARIABLE.findall((CONTAINER / "compose.yaml").read_text())
        if default.startswith(":?")
    }
    assert set(given) == required
    assert set(given.values()) == {""}


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (CONTAINER / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_the_extras_are_those_of_the_image() -> None:
    _, build, _ = stages(CONTAINER / "Dockerfile")
    (default,) = [each.value for each in build if each.name == "ARG"]
    assert PROGRAMS["worker"]["build"]["args"]["EXTRAS"] == (
        "${WINCHESTER_EXTRAS:-" + default.removeprefix("EXTRAS=") + "}"
    )


def test_the_database_server_is_the_tested_one() -> None:
    tested = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    assert SERVICES["postgresql"]["image"] == tested["postgresql"]["image"]
    assert "name" in COMPOSE, "the project of the tests' servers has the name of the directory"


def test_prometheus_scrapes_every_program_at_the_port_of_the_image(tmp_path: Path) -> None:
    (job,) = yaml.safe_load((CONTAINER / "prometheus.yaml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    _, _, image = stages(CONTAINER / "Dockerfile")
    (environment,) = [each.value for each in image if each.name == "ENV"]
    assert job["job_name"] == "winchester"
    assert sorted(found["names"]) == LONG_RUNNING
    assert f"WINCHESTER_METRICS_LISTEN=0.0.0.0:{found['port']}" in environment

    require_programs(["promtool"])
    shutil.copy(CONTAINER / "prometheus.yaml", tmp_path)
    shutil.copy(ROOT / "etc" / "monitoring" / "alerts.yaml", tmp_path)
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_the_data_source_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((CONTAINER / "grafana" / "datasources.yaml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((CONTAINER / "grafana" / "dashboards.yaml").read_text())[
        "providers"
    ]
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    (inputs,) = [
        each
        for each in json.loads((ROOT / "etc" / "monitoring" / "dashboard.json").read_text())[
            "templating"
        ]["list"]
        if each["type"] == "datasource"
    ]

    assert inputs["query"] == source["type"]
    assert source["url"] == "http://prometheus:9090"
    assert mounted["../monitoring/dashboard.json"].startswith(provider["options"]["path"])
