"""The http source: messages of webhooks, and the responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import pytest

from winchester_core.model import MessageKind
from winchester_core.sources.http.params import SCHEMA, RequestLimits
from winchester_core.sources.http.parsers import HttpRequest
from winchester_core.sources.http.responses import ItemResult, ItemState, RequestRejected
from winchester_core.sources.http.webhooks import WebhookPath

if TYPE_CHECKING:
    from winchester_core.model import Message

LIMITS = RequestLimits(1000, 16_000, 3, 10, 30)
FORM = "application/x-www-form-urlencoded"
SECRET = "a secret of the tests"


def webhook(**entry: Any) -> WebhookPath:
    (checked,) = SCHEMA({"paths": [{"path": "/hooks/a", **entry}]})["paths"]
    return WebhookPath(checked, LIMITS, None, ("seen",), lambda: 0.0)


def request(body: bytes, content_type: str = "application/json", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest("/hooks/a", {"content-type": content_type, **named}, body, "192.0.2.1")


def messages(path: WebhookPath, *arguments: Any, query: str = "", **headers: str) -> list[Message]:
    return path.messages(request(*arguments, **headers), query)


def test_the_body_is_passed_unchanged_with_headers_and_properties_for_the_mapping() -> None:
    (found,) = messages(
        webhook(mapping="m", signature={"form": "gitlab", "secrets": SECRET}),
        b'[{"a": 1}, {}]',
        query="a=1&b=2&b=%C3%A9&access_token=x&a%62=",
        authorization="Bearer x",
        cookie="a=b",
        x_gitlab_token=SECRET,
        x_hub_signature="sha1=1",
        x_api_key="k",
        x_event="push",
    )
    assert found.body == b'[{"a": 1}, {}]'
    assert found.mappings == ("m",)
    assert found.headers == {"content-type": "application/json", "x-event": "push"}
    assert found.properties == {
        "path": "/hooks/a",
        "query": {"a": "1", "b": ["2", "é"], "ab": ""},
    }
    assert found.received_from == "192.0.2.1 /hooks/a"
    assert found.keep_invalid


def test_the_header_of_a_configured_signature_is_not_passed() -> None:
    signature = {"form": "hmac", "secrets": SECRET, "header": "X-Sum"}
    (found,) = messages(webhook(mapping="m", signature=signature), b"{}", x_sum="1", x_b="2")
    assert found.headers.keys() == {"content-type", "x-b"}


def test_a_query_with_too_many_fields_is_dropped() -> None:
    (found,) = messages(webhook(mapping="m"), b"{}", query="&".join(["a=1"] * 1001))
    assert found.properties == {"path": "/hooks/a", "query": {}}


def test_without_a_mapping_the_elements_of_an_array_are_events() -> None:
    path = webhook(format="event", datetime_traits=["done"])
    found = messages(path, b' [{"a": 1}, 7]')
    assert [each.body for each in found] == [{"a": 1}, b"7"]
    assert found[1].received_from == "192.0.2.1 /hooks/a item 2"
    assert {each.kind for each in found} == {MessageKind.EVENT}
    assert found[0].datetime_traits == ("seen", "done")
    assert (found[0].headers, found[0].properties) == ({}, {})


@pytest.mark.parametrize("body", [b"", b"[1", b"\xff", b"{}"])
def test_a_body_that_is_no_array_is_one_message(body: bytes) -> None:
    (found,) = messages(webhook(), body)
    assert (found.body, found.fault) == (body, None)


@pytest.mark.parametrize("options", [{}, {"mapping": "m"}])
def test_each_line_is_a_message(options: dict[str, str]) -> None:
    found = messages(webhook(**options), b'{"a": 1}\n\n{"b"', "application/x-ndjson")
    assert [each.body for each in found] == [b'{"a": 1}', b'{"b"']


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b"1\n2\n3\n4", "application/x-ndjson", "the body has 4 items; at most 3 are accepted"),
        (b"[1,2,3,4]", "application/json", "the body has 4 items; at most 3 are accepted"),
        (b"{}", "application/json; charset=odd", "the body has an unknown charset: 'odd'"),
        (b"a=%ff", FORM, "the body is not a form in UTF-8 with at most 1000 fields"),
        (b"a=1&" * 1001, FORM, "the body is not a form in UTF-8 with at most 1000 fields"),
    ],
)
def test_an_invalid_body_is_one_message_with_a_fault(
    body: bytes, content_type: str, fault: str
) -> None:
    (found,) = messages(webhook(), body, content_type)
    assert (found.body, found.fault, found.keep_invalid) == (body, fault, True)


def test_a_text_in_another_charset_is_converted() -> None:
    (found,) = messages(webhook(), '{"é": 1}'.encode("utf-16"), "application/json; charset=utf-16")
    assert found.body == '{"é": 1}'.encode()


def test_the_fields_of_a_form_are_the_body() -> None:
    (found,) = messages(webhook(mapping="m"), b"a=1&b=%C3%A9+x&b=&c", FORM)
    assert orjson.loads(bytes(found.body)) == {"a": "1", "b": ["é x", ""], "c": ""}


def test_a_field_of_a_form_is_the_body_if_it_is_configured() -> None:
    path = webhook(mapping="m", json_field="payload")
    body = b"payload=" + quote('{"é": [1]}').encode() + b"&other=1"
    (found,) = messages(path, body, FORM)
    assert found.body == '{"é": [1]}'.encode()
    (found,) = messages(path, b"other=1", FORM)
    assert orjson.loads(bytes(found.body)) == {"other": "1"}


# --- content types --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "is_safe", "is_accepted"),
    [
        ("application/json", True, True),
        ("application/vnd.github+json", True, True),
        ("text/json", True, True),
        ("application/x-ndjson", True, True),
        ("", False, True),
        ("text/plain", False, True),
        (FORM, False, True),
        ("application/xml", False, False),
        ("multipart/form-data", False, False),
    ],
)
def test_types_that_web_pages_can_send_need_authentication(
    content_type: str, is_safe: bool, is_accepted: bool
) -> None:
    signature = {"form": "github", "secrets": SECRET}
    for path, expected in ((webhook(), is_safe), (webhook(signature=signature), is_accepted)):
        if expected:
            path.check_content_type(content_type)
            continue
        with pytest.raises(RequestRejected) as rejected:
            path.check_content_type(content_type)
        assert rejected.value.response.status == 415


# --- limits ---------------------------------------------------------------------------------------


def test_limits_default_to_those_of_the_source() -> None:
    assert webhook().limits == LIMITS
    found = webhook(max_body_bytes=5, max_items=7).limits
    assert (found.max_body_bytes, found.max_decompressed_bytes, found.max_items) == (5, 80, 7)
    assert webhook(max_decompressed_bytes=9).limits.max_decompressed_bytes == 9


def test_the_token_of_the_source_is_for_paths_without_a_signature() -> None:
    signature = {"form": "github", "secrets": SECRET}
    entries = [{"path": "/a"}, {"path": "/b", "signature": signature}, {"path": "/c", "token": "c"}]
    checked = SCHEMA({"token": "t", "paths": entries})["paths"]
    paths = [WebhookPath(each, LIMITS, "t", (), lambda: 0.0) for each in checked]
    assert [each.token for each in paths] == ["t", None, "c"]


# --- responses ------------------------------------------------------------------------------------

STORED, REJECTED, UNAVAILABLE = (
    ItemResult(state) for state in (ItemState.STORED, ItemState.REJECTED, ItemState.UNAVAILABLE)
)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([], 200),
        ([STORED, ItemResult(ItemState.DUPLICATE), ItemResult(ItemState.DROPPED)], 200),
        ([STORED, REJECTED], 202),
        ([STORED, REJECTED, UNAVAILABLE], 503),
    ],
)
def test_the_status_depends_on_all_results(results: list[ItemResult], status: int) -> None:
    assert webhook().response(request(b""), results).status == status
    assert webhook().response(request(b"", FORM), results).status == status


def test_a_form_gets_no_document() -> None:
    assert webhook().response(request(b"", FORM), [STORED]).document is None
    assert webhook().response(request(b""), [STORED]).document == {
        "results": [{"outcome": "stored"}]
    }


@pytest.mark.parametrize(
    ("form", "body", "expected"),
    [
        ("slack", {"type": "url_verification", "challenge": "c"}, {"challenge": "c"}),
        ("slack", {"type": "event_callback", "a": "url_verification"}, None),
        ("slack", ["url_verification"], None),
        ("github", {"type": "url_verification", "challenge": "c"}, None),
    ],
)
def test_the_handshake_of_slack(form: str, body: Any, expected: Any) -> None:
    path = webhook(signature={"form": form, "secrets": SECRET})
    found = path.handshake(request(orjson.dumps(body)))
    assert (None if found is None else found.document) == expected


def test_an_invalid_handshake_is_a_message() -> None:
    path = webhook(signature={"form": "slack", "secrets": SECRET})
    assert path.handshake(request(b"{url_verification")) is None
