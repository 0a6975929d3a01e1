"""The section `console`: tokens, public URL and hosts; no text shows a token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from winchester_core.config import compare_settings
from winchester_core.config.console_access import HostPort, parse_authority, parse_public_url
from winchester_core.config.reload_diff import CONSOLE_RELOAD, INGEST_RELOAD, WORKER_RELOAD

if TYPE_CHECKING:
    from conftest import ConfigDir

SECRET = "hunter2-" * 5
OTHER = "another-" * 5


def tokens(*entries: tuple[str, str, str]) -> str:
    lines = (
        f"    - {{name: {name}, role: {role}, token: {token}}}" for name, role, token in entries
    )
    return "\n".join(["console:", "  tokens:", *lines, ""])


def test_nothing_is_configured_by_default(config: ConfigDir) -> None:
    settings = config.settings()

    assert settings.console_tokens == ()
    assert settings.console_public_url is None
    assert settings.console_hosts == ()


def test_tokens_come_from_variables_and_are_masked(config: ConfigDir) -> None:
    settings = config.settings(
        tokens(("anna", "operator", "'${A}'"), ("wall", "viewer", "'${B}'")),
        environ={"A": SECRET, "B": "1" * 32},
    )

    assert [(each.name, each.role, each.token) for each in settings.console_tokens] == [
        ("anna", "operator", SECRET),
        ("wall", "viewer", "1" * 32),
    ]
    for text in (repr(settings), f"{settings.console_tokens}", str(settings.console_tokens[0])):
        assert SECRET not in text
        assert "anna" in text
        assert "token='***'" in text


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (("anna", "operator", SECRET[:31]), "[0].token: expected a token of 32 to 256 letters"),
        (("anna", "operator", SECRET * 7), "[0].token: expected a token of 32 to 256 letters"),
        (("anna", "operator", f"'{SECRET} '"), "[0].token: expected a token of 32 to 256 letters"),
        (("anna", "operator", f"{SECRET}é"), "[0].token: expected a token of 32 to 256 letters"),
        (("anna", "operator", "1" * 32), "[0].token: expected a token of 32 to 256 letters"),
        (("anna", "admin", SECRET), "[0].role: expected one of viewer, operator, not 'admin'"),
        (("anna", SECRET, SECRET), "[0].role: expected one of viewer, operator, not ***"),
        (
            ("'a b'", "viewer", SECRET),
            "[0].name: expected a name of at most 64 letters, digits and . _ @ -, not 'a b'",
        ),
        (("'a\n'", "viewer", SECRET), "[0].name: expected a name of at most 64 letters"),
        (("''", "viewer", SECRET), "[0].name: expected a name of at most 64 letters"),
    ],
)
def test_an_invalid_token_is_reported_and_not_shown(
    config: ConfigDir, entry: tuple[str, str, str], problem: str
) -> None:
    (found,) = config.problems(tokens(entry))

    assert f"console.tokens{problem}" in found
    assert entry[2][:20] not in found


def test_an_invalid_token_from_a_variable_is_not_shown(config: ConfigDir) -> None:
    (found,) = config.problems(tokens(("a", "viewer", "'${A}'")), environ={"A": "hunter2"})

    assert "console.tokens[0].token: expected a token" in found
    assert "hunter2" not in found


def test_repeated_names_and_tokens_are_problems(config: ConfigDir) -> None:
    problems = config.problems(
        tokens(
            ("anna", "operator", SECRET),
            ("anna", "viewer", OTHER),
            ("bert", "viewer", SECRET),
            ("carl", "viewer", SECRET),
        )
    )

    assert problems == [
        (
            "winchester.yaml:5:14: console.tokens[1].name: another token has the name 'anna'; "
            "each name must be unique"
        ),
        (
            "winchester.yaml:6:41: console.tokens[2].token: equals the token of 'anna'; "
            "each token must be unique"
        ),
        (
            "winchester.yaml:7:41: console.tokens[3].token: equals the token of 'anna'; "
            "each token must be unique"
        ),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("console:", "console: expected a mapping, not nothing"),
        ("console: {tokens: 77}", "console.tokens: expected a list of tokens"),
        ("console: {tokens: [77]}", "console.tokens[0]: expected a mapping"),
        ("console: {tokens: [{name: a, role: viewer}]}", "console.tokens[0].token: is missing"),
        ("console: {hosts: a}", "console.hosts: expected a list of hosts"),
        ("console: {hosts: ['a b']}", "console.hosts[0]: expected HOST or HOST:PORT"),
        ("console: {hosts: ['a:0']}", "console.hosts[0]: expected HOST or HOST:PORT"),
        ("console: {hosts: ['https://a']}", "console.hosts[0]: expected HOST or HOST:PORT"),
        ("console: {host: [a]}", "console.host: unknown key 'host'; did you mean 'hosts'?"),
        ("console: {public_url: ftp://a}", "console.public_url: expected a URL such as https://"),
    ],
)
def test_other_invalid_values_are_reported(config: ConfigDir, content: str, problem: str) -> None:
    (found,) = config.problems(content)

    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "https://",
        "https:///a",
        "https://user@a",
        "https://user:password@a",
        "https://a?b",
        "https://a#b",
        "https://a/b;c",
        "https://a/../b",
        "https://a/./b",
        "https://a//b",
        "https://a/%2e",
        "https://a/b c",
        "https://a:65536",
        "https://a:0",
        "https://a:٤٤٣",
        "https://münchen.example",
        "https://[::1",
        "https://[:::]",
        "https://a\n",
        "//a",
    ],
)
def test_invalid_public_urls(text: str) -> None:
    assert parse_public_url(text) is None


def test_the_parts_of_a_public_url() -> None:
    url = parse_public_url("https://Console.example.org:8443/a/b.c/")
    assert url == ("https", HostPort("console.example.org", 8443), "/a/b.c")
    assert parse_public_url("http://[::1]") == ("http", HostPort("[::1]", None), "")


def test_hosts_are_compared_in_one_form() -> None:
    assert parse_authority("LOCALHOST:80") == HostPort("localhost", 80)
    assert parse_authority("[0:0:0:0:0:0:0:1]:80") == HostPort("[::1]", 80)
    for text in (
        "",
        ":80",
        "a:",
        "a:\uff11",
        "a:123456",
        "a/b",
        "a@b",
        "a,b",
        "[a]",
        "a b",
        "a\x00",
        "-",
    ):
        assert parse_authority(text) is None, text


def test_an_unused_section_needs_no_variables(config: ConfigDir) -> None:
    content = tokens(("anna", "operator", "'${UNSET}'")) + "max_attempts: 7\n"

    settings = config.settings(content, ignores=["console"])

    assert (settings.console_tokens, settings.max_attempts) == ((), 7)
    (problem,) = config.problems(content)
    assert "console.tokens[0].token: the environment variable UNSET is not set" in problem


def test_the_problems_of_other_sections_remain(config: ConfigDir) -> None:
    problems = config.problems("console: {hosts: 5}\nlog_file: ${UNSET}\n", ignores=["console"])

    assert len(problems) == 1
    assert "log_file: the environment variable UNSET is not set" in problems[0]


def test_other_programs_ignore_changes_except_of_the_public_url(config: ConfigDir) -> None:
    old = config.settings()
    new = replace(old, console_hosts=("a",), console_public_url="https://a")

    worker = compare_settings(old, new, WORKER_RELOAD)
    ingest = compare_settings(old, new, INGEST_RELOAD)

    assert (worker.applied, worker.pending_restart) == (("console.public_url",), ())
    assert (ingest.applied, ingest.pending_restart) == ((), ())


def test_the_console_needs_a_restart(config: ConfigDir) -> None:
    old = config.settings()
    new = replace(old, console_hosts=("a",), config_path=(), max_attempts=7)

    change = compare_settings(old, new, CONSOLE_RELOAD)

    assert (change.applied, change.pending_restart) == (("max_attempts",), ("console.hosts",))
    assert change.settings.console_hosts == ()


@pytest.mark.parametrize(
    ("ignores", "read"),
    [(["console"], "https://site/w"), (["console", "pipelines"], None)],
    ids=["with pipelines", "without pipelines"],
)
def test_the_public_url_of_an_unused_section_is_read_for_pipelines(
    config: ConfigDir, ignores: list[str], read: str | None
) -> None:
    content = tokens(("anna", "operator", "'${UNSET}'")) + "  public_url: https://site/w\n"

    settings = config.settings(content, ignores=ignores)

    assert (settings.console_public_url, settings.console_tokens) == (read, ())


def test_an_invalid_public_url_is_reported_to_workers(config: ConfigDir) -> None:
    (problem,) = config.problems("console: {public_url: ftp://x, hosts: 5}\n", ignores=["console"])

    assert "console.public_url: expected a URL such as https://" in problem
