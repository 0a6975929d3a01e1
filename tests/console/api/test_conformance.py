"""Schemathesis finds no failure, and only documented responses, in the API of a running console."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.scenes.console_program import start_console
from support.scenes.prepared_site import OPERATOR_TOKEN, PreparedSite
from support.scenes.program_groups import program_group
from support.servers.databases import BACKENDS, temporary_database
from support.servers.private_servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> PreparedSite:
    """A prepared site on SQLite, to copy."""
    site = PreparedSite(
        tmp_path_factory.mktemp("api-day"), ingest_port=free_port(), alarm_port=free_port()
    )
    site.fill()
    return site


@pytest.fixture(params=BACKENDS)
def site(
    request: pytest.FixtureRequest, tmp_path: Path, day: PreparedSite
) -> Iterator[PreparedSite]:
    with temporary_database(request.param, tmp_path) as url:
        made = PreparedSite(tmp_path, url, ingest_port=free_port(), alarm_port=free_port())
        made.copy_from(day.url)
        yield made


@pytest.mark.slow
def test_schemathesis_finds_no_undocumented_response(site: PreparedSite, tmp_path: Path) -> None:
    phases = "examples,coverage,fuzzing" if site.url.startswith("sqlite") else "examples,fuzzing"
    arguments = ["--checks", ",".join(CHECKS), "--max-examples", "10", "--seed", "5"]
    arguments += ["--no-color", "--phases", phases]
    arguments += ["--request-timeout", "60", "--header", f"Authorization: Bearer {OPERATOR_TOKEN}"]
    with program_group(site) as programs:
        console = start_console(programs)
        found = subprocess.run(
            [
                Path(sysconfig.get_path("scripts"), "schemathesis"),
                "run",
                f"{console.url}/api/v1/openapi.json",
                *arguments,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert found.returncode == 0, found.stdout[-12_000:] + found.stderr[-2_000:]
        tested = re.search(r"(\d+) generated, (\d+) passed", found.stdout)
        assert tested, found.stdout
        assert int(tested[1]) > 300
        assert "Traceback" not in console.program.text()
