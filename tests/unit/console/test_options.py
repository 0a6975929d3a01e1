"""Options of the console: checks, hosts, origins and warnings."""

from __future__ import annotations

from typing import Any

import pytest

from support.scenes.guarded_console import HTTPS, PREFIXED, TOKENS
from winchester_core.config import load_settings
from winchester_core.config.console_access import HostPort
from winchester_core.console.options import ConsoleOptions
from winchester_core.errors import ConfigurationError

TOKEN = {"name": "anna", "role": "operator", "token": "t" * 32}
NAME = load_settings({"database": {"url": "sqlite://"}}).name
ELSEWHERE = ("10.0.0.5", 8100)


def options(console: dict[str, Any] | None = None, **arguments: Any) -> ConsoleOptions:
    settings = load_settings({"database": {"url": "sqlite://"}, "console": console or {}})
    return ConsoleOptions.of(settings, **arguments)


@pytest.mark.parametrize(
    ("console", "arguments"),
    [
        ({}, {}),
        ({}, {"listen": ("::1", 8100)}),
        ({}, {"listen": ("localhost", 8100)}),
        ({}, {"listen": ("127.8.9.10", 8100)}),
        ({}, {"allow_actions": True}),
        ({"hosts": ["localhost:9000"]}, {}),
        ({}, {"listen": ELSEWHERE, "insecure": True}),
        ({"tokens": [TOKEN]}, {"listen": ELSEWHERE, "insecure": True}),
        ({"tokens": [TOKEN], "public_url": "http://a"}, {"insecure": True}),
        ({"tokens": [TOKEN], "public_url": "https://a/b"}, {"listen": ELSEWHERE}),
        ({"tokens": [TOKEN], "public_url": "https://a", "hosts": ["b"]}, {}),
    ],
)
def test_allowed_options(console: dict[str, Any], arguments: dict[str, Any]) -> None:
    found = options(console, **arguments)

    assert len(found.tokens) == len(console.get("tokens", []))
    assert len(found.hosts) == len(console.get("hosts", []))


@pytest.mark.parametrize(
    ("console", "arguments", "problems"),
    [
        (
            {},
            {"listen": ELSEWHERE},
            ["console.tokens: is missing", "console.public_url: is missing"],
        ),
        ({}, {"listen": ("0.0.0.0", 1)}, ["console.tokens: is", "console.public_url: is"]),
        ({}, {"listen": ("", 1)}, ["console.tokens: is", "console.public_url: is"]),
        ({"tokens": [TOKEN]}, {"listen": ELSEWHERE}, ["console.public_url: is missing"]),
        ({"public_url": "https://a"}, {"listen": ELSEWHERE}, ["console.tokens: is missing"]),
        ({"public_url": "https://a"}, {}, ["console.tokens: is missing"]),
        ({"hosts": ["console.lan"]}, {}, ["console.tokens: is missing"]),
        (
            {"tokens": [TOKEN], "public_url": "http://a"},
            {},
            [
                (
                    "console.public_url: expected a URL that begins with https:// (or --insecure), "
                    "not one that begins with http://"
                )
            ],
        ),
        (
            {"tokens": [TOKEN], "public_url": "https://a/streams/b"},
            {},
            ["console.public_url: the console itself has pages under /streams"],
        ),
        ({"tokens": [TOKEN]}, {"allow_actions": True}, ["--allow-actions is for a console"]),
        (
            {},
            {"listen": ELSEWHERE, "allow_actions": True, "insecure": True},
            ["--allow-actions needs a loopback address, such as 127.0.0.1, not '10.0.0.5'"],
        ),
    ],
)
def test_unsafe_options(
    console: dict[str, Any], arguments: dict[str, Any], problems: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options(console, **arguments)

    assert len(caught.value.problems) == len(problems)
    for found, expected in zip(caught.value.problems, problems, strict=True):
        is_setting = expected.startswith("console.")
        assert found.startswith(f"{NAME}: {expected}" if is_setting else expected)


def test_hosts_and_origins_of_a_local_console() -> None:
    local = ConsoleOptions()
    names = ("127.0.0.1", "[::1]", "localhost")

    assert local.allowed_hosts() == {HostPort(name, 8100) for name in names}
    assert local.allowed_origins() == {f"http://{name}:8100" for name in names}
    assert (local.scheme, local.prefix, local.is_secure) == ("http", "", False)


def test_a_default_port_may_be_omitted() -> None:
    found = ConsoleOptions(listen=("127.0.0.1", 80))

    assert {HostPort("localhost", 80), HostPort("localhost", None)} <= found.allowed_hosts()
    assert "http://localhost" in found.allowed_origins()
    assert "http://localhost:80" not in found.allowed_origins()


def test_public_names_have_the_scheme_of_the_public_url() -> None:
    found = ConsoleOptions(
        listen=("0.0.0.0", 8100),
        tokens=TOKENS,
        public_url=HTTPS,
        hosts=(HostPort("other.example.org", 8443), HostPort("third", 443)),
    )

    public = {each for each in found.allowed_hosts() if each.port != 8100}
    assert public == {
        HostPort("console.example.org", None),
        HostPort("console.example.org", 443),
        HostPort("other.example.org", 8443),
        HostPort("third", 443),
        HostPort("third", None),
    }
    assert {each for each in found.allowed_origins() if "8100" not in each} == {
        "https://console.example.org",
        "https://other.example.org:8443",
        "https://third",
    }
    assert "http://0.0.0.0:8100" not in found.allowed_origins()


def test_the_listen_address_is_a_host_too() -> None:
    assert HostPort("10.0.0.5", 1) in ConsoleOptions(listen=("10.0.0.5", 1)).allowed_hosts()
    assert HostPort("[fd00::1]", 1) in ConsoleOptions(listen=("FD00:0::1", 1)).allowed_hosts()


def test_the_prefix_and_port_of_a_public_url() -> None:
    found = ConsoleOptions(public_url=PREFIXED)

    assert (found.prefix, found.public_port, found.is_secure) == ("/ops", 8443, True)
    assert ConsoleOptions(public_url=HTTPS).public_port == 443


def test_no_options_show_a_token() -> None:
    assert "operator-" not in repr(ConsoleOptions(tokens=TOKENS))


@pytest.mark.parametrize(
    ("arguments", "warnings"),
    [
        ({}, []),
        ({"tokens": TOKENS, "public_url": HTTPS, "listen": ELSEWHERE}, []),
        ({"allow_actions": True}, ["actions need no token: every user of this host may act"]),
        (
            {"listen": ELSEWHERE, "insecure": True},
            [
                "no tokens: everyone who reaches 10.0.0.5 port 8100 may read",
                "no HTTPS: tokens and pages are sent without encryption",
            ],
        ),
        (
            {"listen": ("0.0.0.0", 1), "tokens": TOKENS, "insecure": True},
            [
                (
                    "only requests to loopback names are accepted: console.hosts and "
                    "console.public_url add the names by which others reach the console"
                ),
                "no HTTPS: tokens and pages are sent without encryption",
            ],
        ),
        ({"listen": ("0.0.0.0", 1), "tokens": TOKENS, "public_url": HTTPS}, []),
    ],
)
def test_warnings_at_the_start(
    caplog: pytest.LogCaptureFixture, arguments: dict[str, Any], warnings: list[str]
) -> None:
    ConsoleOptions(**arguments).log_warnings()

    assert caplog.messages == warnings
