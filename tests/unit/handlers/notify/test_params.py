"""Parameters of notify: what is refused, at which key, and that no message shows a secret."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_handlers.notify import NotifyHandler
from winchester_handlers.notify.service import Target

CANARY = "c4n4ryS3cr3t"
MAIL = f"mailtos://winchester:{CANARY}@mail.example.org?to=oncall@example.org"
TARGETS = {"mail": MAIL}


def valid(**params: Any) -> Any:
    return NotifyHandler.config_schema({"targets": TARGETS, "body": "b", **params})


def problem(**params: Any) -> str:
    """Return the path and text of the only problem."""
    with pytest.raises(MultipleInvalid) as caught:
        valid(**params)
    (error,) = caught.value.errors
    assert CANARY not in str(error)
    return f"{'.'.join(map(str, error.path))}: {error.error_message}"


def test_defaults() -> None:
    assert valid() == {
        "targets": {"mail": Target(MAIL)},
        "body": "b",
        "title": "{{ stream.name }}: {{ reason }}",
        "format": "text",
        "type": {"fire": "info", "expire": "warning", "cancel": "success"},
        "send": "stream",
        "event_types": ["*"],
        "timeout": 30,
    }


def test_valid_parameters_are_valid_again() -> None:
    params = valid(type="failure", send="event", body="{{ event.event_type }}")
    assert NotifyHandler.config_schema(params) == params
    assert CANARY not in repr(params)


def test_a_type_by_reason_has_defaults() -> None:
    assert valid(type={"fire": "failure"})["type"] == {
        "fire": "failure",
        "expire": "warning",
        "cancel": "success",
    }


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (CANARY, "expected a URL of Apprise, such as mailto://user:password@host"),
        (f"slck://{CANARY}", "Apprise knows no service with the scheme 'slck'"),
        (f"slack://{CANARY}",
         "Apprise cannot use this URL: for slack://, a part is missing or invalid"),
        (f"file:///{CANARY}", "Apprise knows no service with the scheme 'file'"),
        (f"slack://{CANARY}/?template=/etc/passwd",
         "the parameter 'template' of the URL is not allowed: reads a file"),
        (f"json://h:{CANARY}",
         "Apprise cannot use this URL: for json://, a part is missing or invalid"),
        (7, "expected a URL of Apprise as text"),
    ],
)  # fmt: skip
def test_an_unusable_url_is_refused_without_its_secrets(url: Any, reason: str) -> None:
    assert problem(targets={"mail": MAIL, "chat": url}) == f"targets.chat: {reason}"


def test_all_unusable_urls_are_reported() -> None:
    with pytest.raises(MultipleInvalid) as caught:
        valid(targets={"a": "nope", "b": MAIL, "c": "slck://x"})
    assert [error.path for error in caught.value.errors] == [["targets", "a"], ["targets", "c"]]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a" * 65])
def test_a_name_of_a_target_is_plain(name: str) -> None:
    assert "expected a name of 1 to 64 letters" in problem(targets={name: MAIL})


@pytest.mark.parametrize("targets", [{}, [MAIL], MAIL, None])
def test_targets_are_a_mapping(targets: Any) -> None:
    assert problem(targets=targets).startswith("targets: expected a mapping of names to URLs")


def test_templates_are_compiled() -> None:
    assert problem(body="a\n{{ steam }}") == (
        "body: line 2 of the template: no variable is named 'steam'; did you mean 'stream'?"
    )
    assert problem(title="{{ x").startswith("title: line 1 of the template: unexpected end")


@pytest.mark.parametrize("name", ["title", "body"])
def test_the_variable_event_requires_messages_for_events(name: str) -> None:
    source = {name: "{{ event.event_type }}"}
    assert valid(send="event", **source)[name] == source[name]
    with pytest.raises(Exception, match=r"no variable is named 'event'.*requires send: event"):
        valid(**source)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"format": "pdf"}, "format: "),
        ({"type": "loud"}, "type: expected a type (info, success, warning, failure)"),
        ({"type": {"fired": "info"}}, "type.fired: "),
        ({"send": "each"}, "send: "),
        ({"timeout": 0}, "timeout: expected seconds"),
        ({"attach": "file:///etc/passwd"}, "attach: "),
    ],
)
def test_other_parameters_are_checked(params: dict[str, Any], text: str) -> None:
    assert problem(**params).startswith(text)
