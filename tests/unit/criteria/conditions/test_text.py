"""`regex`, `glob` and `cidr`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_TEXT = [1, 1.5, True, None, datetime(2014, 1, 2, tzinfo=UTC)]


@pytest.mark.parametrize("wanted", [{"regex": ".*"}, {"glob": "*"}, {"cidr": "0.0.0.0/0"}])
@pytest.mark.parametrize("value", NOT_TEXT, ids=repr)
def test_a_value_that_is_not_text_never_matches(
    holds: Callable[[Any, Any], bool], wanted: Any, value: Any
) -> None:
    assert not holds(wanted, value)


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("b+", "abbc", True),
        ("^b", "abbc", False),
        ("^a.*c$", "abbc", True),
        ("^a.*c$", "abbc\n", False),
        ("B", "abc", False),
        ("(?i)B", "abc", True),
        ("^.$", "é", True),
        (r"^\pL+$", "größe", True),
        ("a|b", "", False),
        ("^$", "", True),
    ],
)
def test_a_regex_searches_the_text(
    holds: Callable[[Any, Any], bool], pattern: str, value: str, found: bool
) -> None:
    assert holds({"regex": pattern}, value) is found


def test_a_regex_does_not_match_an_overlong_text(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert holds({"regex": "a"}, "a" * 65_536)
    assert not holds({"regex": "a"}, "a" * 65_537)


def test_a_regex_does_not_match_a_lone_surrogate(holds: Callable[[Any, Any], bool]) -> None:
    assert not holds({"regex": "a"}, "a\ud800")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(", "missing )"),
        ("(?=a)", "RE2's syntax"),
        (r"(a)\1", "RE2's syntax"),
        ("", "1 to 1000"),
        ("a" * 1001, "1001 characters"),
        ("(.{0,900}a){1}.{0,90}c" * 10, "too large"),
        ("\ud800", "surrogate"),
        (3, "put it in quotes"),
        (None, "put it in quotes"),
    ],
)
def test_an_invalid_regex_is_refused_with_the_engines_reason(
    problems: Callable[..., dict[Any, str]], pattern: Any, message: str
) -> None:
    found = problems({"traits": {"x": {"regex": pattern}}})
    assert message in found["traits", "x", "regex"]


@pytest.mark.parametrize(
    ("glob", "value", "fits"),
    [
        ("web-*", "web-1", True),
        ("web-*", "my-web-1", False),
        ("Web-*", "web-1", False),
        ("web-[0-9]", "web-5", True),
        ("web-[!0-9]", "web-5", False),
        ("web-?", "web-12", False),
        ("a*z", "a\nz", True),
        ("a[", "a[", True),
    ],
)
def test_a_glob_matches_the_whole_text_case_sensitively(
    holds: Callable[[Any, Any], bool], glob: str, value: str, fits: bool
) -> None:
    assert holds({"glob": glob}, value) is fits


def test_a_glob_does_not_match_an_overlong_text(holds: Callable[[Any, Any], bool]) -> None:
    assert holds({"glob": "a*"}, "a" * 65_536)
    assert not holds({"glob": "a*"}, "a" * 65_537)


@pytest.mark.parametrize("glob", ["", 3, None, "a" * 1001])
def test_an_invalid_glob_is_refused(problems: Callable[..., dict[Any, str]], glob: Any) -> None:
    assert list(problems({"traits": {"x": {"glob": glob}}})) == [("traits", "x", "glob")]


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        (["10.0.0.0/8", "fe80::/10"], "fe80::1", True),
        (["10.0.0.0/8", "fe80::/10"], "fe80::1%eth0", True),
        ("::/0", "10.0.0.1", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", False),
        ("0.0.0.0/0", "10.0.0.256", False),
        ("0.0.0.0/0", "010.0.0.1", False),
        ("0.0.0.0/0", "10.0.0.0/8", False),
        ("0.0.0.0/0", "", False),
        ("::/0", ":" * 10_000, False),
    ],
)
def test_an_address_matches_only_a_network_of_its_ip_version(
    holds: Callable[[Any, Any], bool], networks: Any, address: str, inside: bool
) -> None:
    assert holds({"cidr": networks}, address) is inside


def test_a_network_with_host_bits_is_refused_with_the_correct_network(
    problems: Callable[..., dict[Any, str]],
) -> None:
    found = problems({"traits": {"x": {"cidr": "10.0.0.5/8"}}})
    assert "did you mean '10.0.0.0/8'?" in found["traits", "x", "cidr"]


def test_every_invalid_network_of_a_list_is_reported_at_its_position(
    problems: Callable[..., dict[Any, str]],
) -> None:
    found = problems({"traits": {"x": {"cidr": ["10.0.0.0/33", "10.0.0.0/8", 5]}}})
    assert list(found) == [("traits", "x", "cidr", 0), ("traits", "x", "cidr", 2)]


@pytest.mark.parametrize("expression", [[], None, 5, {"a": 1}])
def test_cidr_requires_networks(problems: Callable[..., dict[Any, str]], expression: Any) -> None:
    assert list(problems({"traits": {"x": {"cidr": expression}}})) == [("traits", "x", "cidr")]
