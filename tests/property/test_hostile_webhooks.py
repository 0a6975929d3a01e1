"""Any request to a configured path gets a response; without a valid signature it is 401."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders.webhooks import SECRET, github
from winchester_core.ingest.decoding import make_rejection
from winchester_core.sources.http.app import Application
from winchester_core.sources.http.inbox import Inbox
from winchester_core.sources.http.params import SCHEMA, RequestLimits
from winchester_core.sources.http.responses import ItemResult, ItemState, WebhookPermission
from winchester_core.sources.http.webhooks import WebhookPath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winchester_core.model import Message

NOW = 1_700_000_000
LIMITS = RequestLimits(2000, 8000, 3, 10, 30)
HMAC = {
    "form": "hmac",
    "header": "x-sum",
    "prefix": "v1=",
    "timestamp_header": "x-sum",
    "timestamp_prefix": "t=",
    "template": "{header:x-id}{timestamp}{body}",
}
HEADERS = {
    "github": ["x-hub-signature-256"],
    "gitlab": ["x-gitlab-token"],
    "hmac": ["x-sum", "x-id"],
    "sentry": ["sentry-hook-signature"],
    "slack": ["x-slack-signature", "x-slack-request-timestamp"],
    "standard_webhooks": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "stripe": ["stripe-signature"],
}
VALUES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.sampled_from([f"t={NOW}", str(NOW), "v1=", "v1,", "sha256=", "v0=", "00", "é", ",", " "])
    ).map(lambda parts: "".join(parts).encode("latin-1")),
)
TYPES = st.sampled_from(
    [
        *("application/json", "application/x-ndjson", "text/plain", "", "application/xml"),
        "application/x-www-form-urlencoded",
        *("application/json; charset=utf-16", "application/json; charset=idna"),
        'application/x-www-form-urlencoded; charset="',
    ]
)
COMPRESSORS = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes, "br": bytes}
BODIES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=50).map(lambda text: text.encode("utf-16")),
    st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3)), max_size=5).map(
        orjson.dumps
    ),
    st.lists(st.sampled_from(["payload=", "{}", "%ff", "%", "&", "a=1", "+", "[1]", "\n"])).map(
        lambda parts: "".join(parts).encode()
    ),
)


class KeepingInbox(Inbox):
    """Settles each message as ingest does that stores all of them as rejected messages."""

    def __init__(self) -> None:
        super().__init__()
        self.open()
        self.kept: list[bytes] = []

    def put(self, messages: Iterable[Message]) -> bool:
        for message in messages:
            self.kept.append(make_rejection("web", message, "odd").body)
            message.token.settle(ItemResult(ItemState.REJECTED))
        return True


def respond(
    form: str, headers: dict[str, bytes], body: bytes, **entry: Any
) -> tuple[int, KeepingInbox]:
    """Return the status of the response, and the inbox."""
    signature = {**(HMAC if form == "hmac" else {"form": form}), "secrets": [SECRET]}
    (checked,) = SCHEMA({"paths": [{"path": "/a", "signature": signature, **entry}]})["paths"]
    path = WebhookPath(checked, LIMITS, None, (), lambda: NOW)
    inbox = KeepingInbox()
    application = Application(inbox, LIMITS, None, WebhookPermission((), None), (), [path])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(part: dict[str, Any]) -> None:
        sent.append(part)

    scope = {
        "method": "POST",
        "path": "/a",
        "query_string": b"a=%ff&b",
        "headers": [(name.encode(), value) for name, value in headers.items()],
        "client": None,
    }
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], inbox


@pytest.mark.parametrize("form", HEADERS)
@given(data=st.data(), body=BODIES)
def test_odd_headers_are_refused(form: str, data: st.DataObject, body: bytes) -> None:
    optional = dict.fromkeys(HEADERS[form], VALUES)
    headers = data.draw(st.fixed_dictionaries({}, optional=optional))
    status, inbox = respond(form, {"content-type": b"application/json", **headers}, body)
    assert (status, inbox.kept) == (401, [])


@given(BODIES, TYPES, st.sampled_from(sorted(COMPRESSORS)), st.sampled_from(["", "m"]))
def test_a_signed_body_is_kept_or_refused_for_its_form(
    body: bytes, content_type: str, coding: str, mapping: str
) -> None:
    received = COMPRESSORS[coding](body)
    headers = {**github(received), "content-type": content_type, "content-encoding": coding}
    status, inbox = respond(
        "github",
        {name: value.encode() for name, value in headers.items()},
        received,
        mapping=[mapping] if mapping else [],
        json_field="payload",
    )
    if coding == "br" or content_type == "application/xml":
        assert (status, inbox.kept) == (415, [])
    else:  # an empty array, or no line, has no message
        assert status == (202 if inbox.kept else 200)
