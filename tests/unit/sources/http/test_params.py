"""The http source: its params, and its optional dependency."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.sources.http.params import SCHEMA


def test_the_defaults_are_those_of_the_reference() -> None:
    assert SCHEMA({}) == {
        "host": "127.0.0.1",
        "port": 8700,
        "token": None,
        "max_body_bytes": 1024 * 1024,
        "max_decompressed_bytes": None,
        "webhook_origins": [],
        "webhook_rate": None,
        "max_items": 1000,
        "max_requests": 256,
        "max_connections": 512,
        "header_timeout_seconds": 10,
        "timeout_seconds": 30,
        "datetime_traits": [],
        "paths": [],
    }


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org"]
)
def test_a_public_address_requires_a_token(host: str) -> None:
    with pytest.raises(Invalid, match="other hosts can reach this address") as refused:
        SCHEMA({"host": host})
    assert refused.value.path == ["host"]
    assert SCHEMA({"host": host, "token": "abc"})["host"] == host


@pytest.mark.parametrize("host", ["127.0.0.2", "::1", "localhost"])
def test_a_loopback_address_requires_no_token(host: str) -> None:
    assert SCHEMA({"host": host})["token"] is None


@pytest.mark.parametrize(
    "params",
    [
        {"host": ""},
        {"port": 65536},
        {"port": True},
        {"port": "8700"},
        {"token": ""},
        {"token": "with blank"},
        {"token": "é"},
        {"token": 5},
        {"max_body_bytes": 0},
        {"max_items": 0},
        {"max_connections": 0},
        {"max_decompressed_bytes": 0},
        {"header_timeout_seconds": 0},
        {"webhook_origins": ["a\n"]},
        {"webhook_origins": ["a b"]},
        {"webhook_rate": 0},
        {"max_requests": 0},
        {"timeout_seconds": 0},
        {"timeout_seconds": 10**400},
        {"header_timeout_seconds": 86_401},
        {"datetime_traits": [""]},
        {"tokens": "x"},
    ],
)
def test_the_schema_refuses_invalid_params(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        SCHEMA(params)


@pytest.fixture
def _without_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server unimportable, and the source not yet imported."""
    for module in [name for name in sys.modules if name.startswith("winchester_core.sources.http")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "uvicorn", None)


@pytest.mark.usefixtures("_without_uvicorn")
def test_a_missing_server_names_the_extra_to_install() -> None:
    with pytest.raises(PluginError, match=r"pip install 'winchester-core\[http\]'"):
        import_plugin(EVENT_SOURCES, "http")
