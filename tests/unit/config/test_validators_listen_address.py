"""Listen address of metrics: loopback unless a host is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from conftest import ConfigDir


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ('"9464"', ("127.0.0.1", 9464)),
        ("0", ("127.0.0.1", 0)),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("metrics.example.org:80", ("metrics.example.org", 80)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ('"[::1]:9464"', ("::1", 9464)),
        ("off", None),
        ("", None),
        ("${METRICS_OF_NOBODY:-off}", None),
        ("${METRICS_OF_NOBODY:-9464}", ("127.0.0.1", 9464)),
    ],
)
def test_an_address_is_a_port_or_a_host_with_a_port(
    config: ConfigDir, written: str, meant: tuple[str, int] | None
) -> None:
    assert config.settings(f"metrics_listen: {written}").metrics_listen == meant


def test_the_listener_is_off_by_default(config: ConfigDir) -> None:
    assert config.settings("").metrics_listen is None


@pytest.mark.parametrize(
    "written",
    ['":9464"', "65536", "-1", "true", "host", '"host:"', "host:x", '"::1:9464"', "a b:1", "[1]"],
)
def test_any_other_text_is_refused(config: ConfigDir, written: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.settings(f"metrics_listen: {written}")
    (problem,) = caught.value.problems
    assert "metrics_listen: expected a port, or HOST:PORT, as in 127.0.0.1:9464" in problem
