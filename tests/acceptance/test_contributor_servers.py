"""The servers and versions offered to contributors are the ones in the tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from support.servers import brokers, mosquitto, nats_servers, redis_servers
from support.servers.databases import SERVERS

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

VERSIONS = {
    "postgresql": "postgres:15",
    "mariadb": "mariadb:10.11",
    "rabbitmq": "rabbitmq:3.13",
    "nats": "nats:2.9-alpine",
    "redis": "redis:7.0",
    "mosquitto": "eclipse-mosquitto:2.0",
}
BROKERS = {
    "rabbitmq": (brokers.URL_VARIABLE, brokers.LOCAL_URL),
    "nats": (nats_servers.URL_VARIABLE, nats_servers.LOCAL_URL),
    "redis": (redis_servers.URL_VARIABLE, redis_servers.LOCAL_URL),
    "mosquitto": (mosquitto.URL_VARIABLE, mosquitto.LOCAL_URL),
}
"""The variable and the default of the address of each broker."""
WITHOUT_PASSWORD = {
    "postgresql": {"POSTGRES_HOST_AUTH_METHOD": "trust"},
    "mariadb": {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1"},
}
ADMINISTRATOR = {"postgresql": "postgres", "mariadb": "root"}
"""The administrator of a new server of these images."""


@pytest.fixture
def services(checkout: Path) -> dict[str, Any]:
    composed = yaml.safe_load((checkout / "docker-compose.yaml").read_text())
    services: dict[str, Any] = composed["services"]
    return services


def _default_url(backend: str) -> URL:
    return make_url(SERVERS[backend][1])


def test_docker_compose_has_every_server(services: dict[str, Any]) -> None:
    assert {name: service["image"] for name, service in services.items()} == VERSIONS
    assert set(services) == {*SERVERS, *BROKERS}
    assert all("healthcheck" in service for service in services.values())


@pytest.mark.parametrize("backend", SERVERS)
def test_a_composed_server_listens_only_where_the_tests_look(
    services: dict[str, Any], backend: str
) -> None:
    url = _default_url(backend)
    assert services[backend]["ports"] == [f"{url.host}:{url.port}:{url.port}"]
    assert url.host == "127.0.0.1"


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_listens_where_the_tests_look(
    checkout: Path, services: dict[str, Any], broker: str
) -> None:
    variable, default = BROKERS[broker]
    url = make_url(default)
    assert services[broker]["ports"] == [f"{url.host}:{url.port}:{url.port}"]
    text = (checkout / "CONTRIBUTING.md").read_text()
    assert f"`{default}`" in text
    assert f"`{variable}`" in text


@pytest.mark.parametrize("backend", SERVERS)
def test_a_composed_server_accepts_the_tests_credentials(
    services: dict[str, Any], backend: str
) -> None:
    url = _default_url(backend)
    assert (url.username, url.password) == (ADMINISTRATOR[backend], None)
    assert services[backend]["environment"] == WITHOUT_PASSWORD[backend]


@pytest.mark.parametrize("backend", SERVERS)
def test_the_defaults_are_documented(checkout: Path, backend: str) -> None:
    text = (checkout / "CONTRIBUTING.md").read_text()
    variable, default = SERVERS[backend]
    assert f"`{default}`" in text
    assert f"`{variable}`" in text


def test_the_tested_lower_bounds_match_setup_cfg(checkout: Path) -> None:
    makefile, setup = ((checkout / name).read_text() for name in ("Makefile", "setup.cfg"))
    tried = re.search(r"^LOWEST := (.*)$", makefile, re.MULTILINE)
    assert tried is not None
    for package in tried[1].split():
        name, lowest = package.split("==")
        asked = rf"^\s+{name.removesuffix('-binary')}(?:\[binary\])?>=([0-9.]+),"
        promised = re.search(asked, setup, re.MULTILINE)
        assert promised is not None, name
        assert lowest in (promised[1], f"{promised[1]}.0"), name
