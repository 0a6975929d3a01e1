"""The Dockerfile makes an image that runs without root, and its files exist and work.

No image is built: the tests read the instructions, and run the health check and the configuration.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import metadata, requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from support.probes.container_files import (
    CONTAINER,
    ROOT,
    SITE,
    VALUES,
    required_variables,
    stages,
)
from winchester_core.cli.commands.console import DEFAULT_PORT
from winchester_core.config import load_settings
from winchester_core.distribution import DISTRIBUTION
from winchester_core.telemetry.server import HttpListener

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from conftest import Winchester
    from support.probes.container_files import Instruction
    from support.scenes.sites import Site

ARGUMENTS, BUILD, IMAGE = stages(CONTAINER / "Dockerfile")
INSTRUCTIONS = [*ARGUMENTS, *BUILD, *IMAGE]


def values(name: str, of: Sequence[Instruction] = IMAGE) -> list[str]:
    """Return the values of all instructions with this name."""
    return [each.value for each in of if each.name == name]


def pins() -> dict[str, str]:
    """Return the version of each package in the constraints."""
    lines = (CONTAINER / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {_normalized(name): version for name, version in pairs}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_program_does_not_run_as_root() -> None:
    (user,) = values("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert IMAGE.index(next(each for each in IMAGE if each.name == "USER")) > max(
        index for index, each in enumerate(IMAGE) if each.name in {"RUN", "COPY"}
    )


def test_both_stages_have_the_same_base_with_a_supported_python() -> None:
    (base,) = values("ARG", ARGUMENTS)
    assert [values("FROM", each) for each in (BUILD, IMAGE)] == [["${BASE} AS build"], ["${BASE}"]]
    version = re.fullmatch(r"BASE=python:(3\.\d+)-slim-\w+", base)
    assert version is not None
    supported = metadata(DISTRIBUTION).get_all("Classifier") or []
    assert f"Programming Language :: Python :: {version[1]}" in supported


def test_nothing_is_fetched_except_packages_with_pinned_versions() -> None:
    assert not [each for each in INSTRUCTIONS if each.name == "ADD" or "://" in each.value]
    (install,) = [each for each in values("RUN", BUILD) if " install " in each]
    assert "--constraint constraints.txt" in install


def test_the_default_extras_exist_and_serve_the_configuration() -> None:
    (extras,) = [each.removeprefix("EXTRAS=") for each in values("ARG", BUILD)]
    assert set(extras.split(",")) <= set(metadata(DISTRIBUTION).get_all("Provides-Extra") or [])
    assert {"postgresql", "http", "console"} <= set(extras.split(","))


def test_every_dependency_has_an_allowed_version() -> None:
    pinned = pins()
    for text in requires(DISTRIBUTION) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "all"}):
            assert requirement.specifier.contains(pinned[_normalized(requirement.name)]), text


def test_every_copied_file_is_sent_to_the_build() -> None:
    sent = {
        line[1:]
        for line in (CONTAINER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for value in [*values("COPY", BUILD), *values("COPY", IMAGE)]
        if not value.startswith("--from=")
        for source in value.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_exposes_the_ports_of_the_configuration() -> None:
    settings = load_settings(SITE / "winchester.yaml", environ=VALUES)
    (web,) = settings.event_sources.values()
    (variable,) = re.findall(r"WINCHESTER_METRICS_LISTEN=(\S+)", values("ENV")[0])
    assert values("EXPOSE") == [f"{web.params['port']} {DEFAULT_PORT} {variable.split(':')[1]}"]
    assert f"WINCHESTER_CONFIG={values('WORKDIR')[0]}/winchester.yaml" in values("ENV")[0]


def test_a_stop_interrupts_a_program_that_has_no_handler_yet() -> None:
    # process 1 ignores signals without a handler, and Python handles only SIGINT from the start
    assert values("STOPSIGNAL") == ["SIGINT"]


@pytest.mark.parametrize(("status", "expected"), [("200 OK", 0), ("503 Service Unavailable", 1)])
def test_the_health_check_asks_for_readiness(status: str, expected: int) -> None:
    paths = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        paths.append(environ["PATH_INFO"])
        start_response(status, [("Content-Type", "application/json")])
        return [b'{"status":"the answer"}']

    with HttpListener("127.0.0.1", 0, application) as listener:
        finished = _check_health(listener.address[1])
    assert (finished.returncode, paths) == (expected, ["/readyz"])
    assert "the answer" in finished.stdout


def test_the_health_check_fails_without_a_listener() -> None:
    with HttpListener("127.0.0.1", 0, lambda *_: []) as listener:
        port = listener.address[1]
    finished = _check_health(port)
    assert finished.returncode == 1
    assert f"port {port}: " in finished.stdout


def _check_health(port: int) -> subprocess.CompletedProcess[str]:
    (line,) = values("HEALTHCHECK")
    words = json.loads(line[line.index("[") :])
    assert words.pop(0) == "python"
    script = CONTAINER / words.pop().rpartition("/")[2]
    return subprocess.run(
        [sys.executable, *words, script],
        env={"WINCHESTER_METRICS_LISTEN": f"0.0.0.0:{port}", "http_proxy": "http://192.0.2.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_configuration_needs_only_the_listed_variables() -> None:
    assert required_variables() == set(VALUES)
    settings = load_settings(
        SITE / "winchester.yaml",
        environ=VALUES,
        needs={"database", "triggers", "pipelines", "console"},
    )
    assert settings.warnings == ()


def test_the_cases_of_the_triggers_pass(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    result = winchester(site, "test", str(SITE / "cases.yaml"), "-c", str(SITE / "winchester.yaml"))
    assert result.status == 0, result.out + result.err
