"""Any bytes and headers get a response or an invalid message, never an error of the program."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import amqp
import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.probes.hypothesis_examples import examples
from winchester_core.errors import InvalidEvent, SourceError
from winchester_core.ingest.decoding import Decoder
from winchester_core.model import Message, MessageKind
from winchester_core.sources.http.app import Application
from winchester_core.sources.http.inbox import Inbox
from winchester_core.sources.http.params import RequestLimits
from winchester_core.sources.http.parsers import CONTENT_TYPES
from winchester_core.sources.http.responses import ItemResult, ItemState, WebhookPermission
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.sources.rabbitmq.content import read_content

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CLOUDEVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "t",
    "time": "2026-03-14T10:00:00Z",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CLOUDEVENT, "data", "message_id", "data.source", "timestamp"])
            | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=10,
)
EVENT = {"message_id": "1", "event_type": "t", "timestamp": CLOUDEVENT["time"]}
EVENTS = st.builds(lambda more: {**CLOUDEVENT, **EVENT, **more}, st.dictionaries(st.text(), JSON))
BODIES = st.one_of(
    st.binary(max_size=200),
    st.text().map(lambda text: text.encode("utf-16")),
    (JSON | EVENTS | st.lists(EVENTS, max_size=3)).map(
        lambda document: (
            orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS)
            if _is_serializable(document)
            else b"{}"
        )
    ),
)
COMPRESSORS = {b"gzip": gzip.compress, b"deflate": zlib.compress, b"identity": bytes, b"br": bytes}
SENT = st.builds(
    lambda body, compress: compress(body), BODIES, st.sampled_from([bytes, gzip.compress])
)
HEADER_VALUES = st.binary(max_size=30).map(
    lambda value: bytes(each for each in value if each not in b"\0\r\n")
)
CHARSETS = st.sampled_from(
    [b"", b"", b"; charset=utf-16", b"; charset=idna", b'; charset="', b";charset*=x"]
)
CE_HEADERS = {f"ce-{name}".encode(): st.just(value.encode()) for name, value in CLOUDEVENT.items()}
MORE_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        b"content-encoding": HEADER_VALUES,
        b"content-length": st.sampled_from([b"1", b"-1", b"x", b"9" * 300, "²".encode()]),
        b"webhook-request-origin": HEADER_VALUES,
    },
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[bytes, bytes], bytes]:
    """Path, headers and body of requests that are mostly valid."""
    path = draw(st.sampled_from(sorted(CONTENT_TYPES)))
    kinds = [kind.encode() for kind in CONTENT_TYPES[path]]
    headers: dict[bytes, bytes] = {}
    if path == "/v1/cloudevents" and draw(st.booleans()):
        kinds = [b"text/plain", b"text/json", b"image/png", b""]
        headers = draw(
            st.fixed_dictionaries(
                CE_HEADERS, optional={b"ce-subject": HEADER_VALUES, b"ce-": HEADER_VALUES}
            )
        )
    headers[b"content-type"] = draw(st.sampled_from(kinds)) + draw(CHARSETS)
    coding = draw(st.sampled_from(sorted(COMPRESSORS)))
    if coding != b"identity":
        headers[b"content-encoding"] = coding
    return path, headers | draw(st.just({}) | MORE_HEADERS), COMPRESSORS[coding](draw(BODIES))


def _is_serializable(document: Any) -> bool:
    try:
        orjson.dumps(document)
    except TypeError:
        return False
    return True


class StoringInbox(Inbox):
    """Decodes each message as ingest does, and settles it."""

    def __init__(self) -> None:
        super().__init__()
        self.open()

    def put(self, messages: Iterable[Message]) -> bool:
        for message in messages:
            message.token.settle(ItemResult(state_of(message)))
        return True


def state_of(message: Message) -> ItemState:
    """Return the outcome of an event, or of a fault."""
    if message.kind is MessageKind.NOTIFICATION and message.fault is None:
        return ItemState.DROPPED
    try:
        Decoder(None).message(message)
    except InvalidEvent:
        return ItemState.INVALID
    return ItemState.STORED


def respond(
    method: str, path: str, headers: dict[bytes, bytes], body: bytes
) -> tuple[int, dict[str, Any]]:
    """Return status and document of the response of the application."""
    limits = RequestLimits(300, 3000, 3, 10, 30)
    application = Application(StoringInbox(), limits, None, WebhookPermission(("a",), None), ())
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(part: dict[str, Any]) -> None:
        sent.append(part)

    scope = {"method": method, "path": path, "headers": list(headers.items()), "client": None}
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], orjson.loads(sent[1]["body"])


@settings(max_examples=examples(400))
@example(
    ("/v1/events", {b"content-length": b"9" * 5000, b"content-type": b"application/json"}, b"")
)
@given(requests())
def test_any_request_gets_a_response_that_is_no_error_of_the_server(
    request: tuple[str, dict[bytes, bytes], bytes],
) -> None:
    status, document = respond("POST", *request)
    assert status in (200, 202, 400, 413, 415)
    assert isinstance(document, dict)


@given(
    st.sampled_from(["GET", "HEAD", "OPTIONS", "\x7f"]),
    st.sampled_from(["http://[x/v1/events", "/healthz/ready", ""]) | st.text(),
    MORE_HEADERS,
)
def test_any_target_gets_a_response_that_is_no_error_of_the_server(
    method: str, path: str, headers: dict[bytes, bytes]
) -> None:
    status, document = respond(method, path, headers, b"")
    assert status in (200, 403, 404, 405)
    assert isinstance(document, dict)


@given(st.sampled_from([b"", b"[", b"\x1e", b"\x1f\x8b"]), st.lists(SENT, max_size=3))
def test_any_file_yields_messages_or_an_error_of_the_source(
    tmp_path_factory: Any, beginning: bytes, pieces: list[bytes]
) -> None:
    file: Path = tmp_path_factory.mktemp("any") / "file"
    file.write_bytes(beginning + b"\n".join(pieces))
    source = JsonlSource(path=str(file), format="event")
    source.open()
    with suppress(SourceError):
        while not source.exhausted:
            for message in source.receive(100, 0):
                assert state_of(message) in (ItemState.STORED, ItemState.INVALID)
    source.close()


PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.text(max_size=20) | st.just("application/json; charset=utf-16"),
        "content_encoding": st.text(max_size=9)
        | st.sampled_from(["gzip", "DEFLATE", "bzip2", "utf-8", "idna", "utf-7", "identity"]),
        "application_headers": st.dictionaries(
            st.sampled_from(["compression", "x"]),
            st.sampled_from(["application/x-gzip", "application/x-bz2", "x", 1, None, [], {}]),
        ),
    },
)


@given(SENT | st.text(st.characters(codec="ascii")), PROPERTIES)
def test_any_amqp_message_is_read_or_has_a_fault(
    body: bytes | str, properties: dict[str, Any]
) -> None:
    content = read_content(amqp.Message(body, **properties))
    assert content.fault is None or not content.fault.startswith("cannot be read")
    message = Message(content.body, MessageKind.EVENT, fault=content.fault)
    assert state_of(message) in (ItemState.STORED, ItemState.INVALID)
