"""An unexpected exception at a source, or for one message, costs at most that message."""

from __future__ import annotations

import json
import shutil
import threading
from abc import ABC, abstractmethod
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from support.builders.odd_exceptions import ODD_EXCEPTIONS
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.background_publisher import enveloped, make_notification
from support.scenes.embedding import EmbeddingProgram, create_database
from support.scenes.sites import wait_until
from support.servers.brokers import broker_namespace
from support.servers.private_servers import free_port
from winchester_core import RejectedFilter, TriggerManager, load_settings, retry
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.runner import SourceRunner
from winchester_core.sources.http.app import Application
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.servers.brokers import BrokerNamespace

NUMBER = 12
VICTIM = 7
BATCH = 5
IDS = [make_notification(number)["message_id"] for number in range(NUMBER)]
POISON = IDS[VICTIM]
AT_SERVERS = ("CancelledError", "UnprintableAbort")
"""The exceptions at sources other than files, which take seconds."""


class Feed(ABC):
    """A source of `NUMBER` notifications: its settings, and the sending of the notifications."""

    source = ""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @abstractmethod
    def params(self) -> dict[str, Any]:
        """Return the params of the source."""

    def send(self) -> None:  # noqa: B027 - a file needs no sending
        """Send the notifications; the source is about to open or open."""

    def close(self) -> None:  # noqa: B027 - a file needs no release
        """Release everything."""


class JsonlFeed(Feed):
    source = "jsonl"

    def params(self) -> dict[str, Any]:
        path = self.tmp_path / "notifications.jsonl"
        lines = (json.dumps(make_notification(number)) for number in range(NUMBER))
        path.write_text("".join(f"{line}\n" for line in lines))
        return {"path": str(path), "format": "notification"}


class HttpFeed(Feed):
    source = "http"

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path)
        self.port = free_port()
        self.statuses: list[int] = []
        self._sender = threading.Thread(target=self._send)
        self._stop = threading.Event()

    def params(self) -> dict[str, Any]:
        return {"port": self.port}

    def send(self) -> None:
        self._sender.start()

    def _send(self) -> None:
        """Send each notification until it is settled."""
        url = f"http://127.0.0.1:{self.port}/v1/notifications"
        with httpx.Client(timeout=BOUND_SECONDS) as client:
            for number in range(NUMBER):
                while not self._stop.wait(0.01):
                    try:
                        response = client.post(url, json=make_notification(number))
                    except httpx.TransportError:
                        continue
                    self.statuses.append(response.status_code)
                    if response.status_code < 500:
                        break

    def close(self) -> None:
        self._stop.set()
        self._sender.join()


class BrokerFeed(Feed):
    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path)
        self._context = broker_namespace()
        self.namespace: BrokerNamespace = self._context.__enter__()
        self.exchange = self.namespace.name("exchange")
        self.queue = self.namespace.name("topic.info")

    def send(self) -> None:
        wait_until(lambda: self.namespace.consumers(self.queue) > 0)
        messages = [enveloped(make_notification(number)) for number in range(NUMBER)]
        self.namespace.publish(messages, self.exchange, self.queue)

    def close(self) -> None:
        self._context.__exit__(None, None, None)


class RabbitmqFeed(BrokerFeed):
    source = "rabbitmq"

    def params(self) -> dict[str, Any]:
        queue = {"name": self.queue, "exchange": self.exchange, "routing_keys": [self.queue]}
        return {"queues": [queue], "url": self.namespace.url}


class YagiFeed(BrokerFeed):
    source = "yagi"

    def params(self) -> dict[str, Any]:
        where = urlsplit(self.namespace.url)
        path = self.tmp_path / "yagi.conf"
        path.write_text(
            f"[rabbit_broker]\nhost = {where.hostname}\nport = {where.port}\n"
            f"user = {where.username}\npassword = {where.password}\n"
            f"vhost = {unquote(where.path[1:]) or '/'}\n[consumers]\nqueues = {self.queue}\n"
            f"[consumer:{self.queue}]\napps = winchester.yagi_handler.WinchesterHandler\n"
            f"exchange = {self.exchange}\nrouting_key = {self.queue}\n"
        )
        return {"path": str(path)}


class OsloFeed(BrokerFeed):
    source = "oslo"

    def params(self) -> dict[str, Any]:
        url = self.namespace.url.replace("amqp://", "rabbit://").removesuffix("//") + "/"
        topics = [self.queue.removesuffix(".info")]
        return {
            "transport_url": url,
            "topics": topics,
            "exchanges": [self.exchange],
            "priorities": ["info"],
        }


CASES = [
    pytest.param(feed, ODD_EXCEPTIONS[name], id=f"{feed.source}-{name}")
    for feed in (JsonlFeed, HttpFeed, RabbitmqFeed, YagiFeed, OsloFeed)
    for name in (ODD_EXCEPTIONS if feed is JsonlFeed else AT_SERVERS)
]
AT_EACH_SOURCE = pytest.mark.parametrize(("feed", "raise_odd"), CASES, indirect=["feed"])
NO_EXIT = [each for each in CASES if not str(each.id).endswith("SystemExit")]
"""Without `SystemExit`, which no library raises: it is a program's, and ends it."""


@pytest.fixture
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Feed]:
    made: Feed = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reopen a source after a moment."""
    monkeypatch.setattr(retry, "MIN_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retry, "MAX_WAIT_SECONDS", 0.01)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_database(tmp_path_factory.mktemp("sources") / "empty.db")


@pytest.fixture
def program(empty_database: Path, tmp_path: Path) -> Iterator[EmbeddingProgram]:
    with EmbeddingProgram(shutil.copy(empty_database, tmp_path / "program.db")) as embedding:
        yield embedding


class Ingest:
    """A running source, and the messages that it has stored."""

    def __init__(self, program: EmbeddingProgram, feed: Feed) -> None:
        sources = {"feed": {"source": feed.source, "batch_size": BATCH, "params": feed.params()}}
        self.manager: TriggerManager = program.ingest(
            distiller_config=[], catch_all_notifications=True
        )
        self.feed = feed
        self._entries = load_settings({**program.settings, "event_sources": sources}).event_sources
        self._stop = threading.Event()

    def run_until(self, is_done: Callable[[], bool]) -> None:
        """Run the source until `is_done`; it must still be running then, unless it has ended."""
        runner = SourceRunner(
            self._entries.values(),
            self.manager,
            stop=self._stop,
            statistics_period_seconds=60,
        )
        errors: list[BaseException] = []

        def run() -> None:
            try:
                runner.run()
            except BaseException as error:  # noqa: BLE001 - shown by the test
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            self.feed.send()
            wait_until(lambda: is_done() or not thread.is_alive())
        finally:
            self._stop.set()
            thread.join()
        assert not errors
        assert is_done()

    def stored(self) -> list[str]:
        """Return the ids of all stored events, in order of the notifications."""
        found = [each["message_id"] for each in self.manager.store.find_events()]
        return sorted(found, key=IDS.index)

    def rejected(self) -> list[str]:
        """Return the reasons of the rejected messages."""
        found = self.manager.store.find_rejected(RejectedFilter(source="feed"))
        return [each.reason for each in found]


OTHERS = [each for each in IDS if each != POISON]


class FailingOnce:
    """Makes one call of a method raise before it does anything."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        owner: type,
        method: str,
        raise_odd: Callable[[], None],
        call: int = 1,
    ) -> None:
        original = getattr(owner, method)
        self.has_raised = False
        calls = count(1)

        def wrapped(*args: Any, **options: Any) -> Any:
            if next(calls) == call:
                self.has_raised = True
                raise_odd()
            return original(*args, **options)

        monkeypatch.setattr(owner, method, wrapped)


@AT_EACH_SOURCE
@pytest.mark.parametrize(
    ("method", "call"), [("open", 1), ("receive", 2), ("ack", 1), ("close", 1)]
)
def test_a_method_of_the_source_that_raises_loses_nothing(
    program: EmbeddingProgram,
    feed: Feed,
    method: str,
    call: int,
    raise_odd: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest = Ingest(program, feed)
    (entry,) = ingest._entries.values()
    failing = FailingOnce(monkeypatch, entry.source_class, method, raise_odd, call)
    ingest.run_until(lambda: ingest.manager.store.count_events() == NUMBER)
    assert failing.has_raised
    assert ingest.stored() == IDS
    assert ingest.rejected() == []


def fail_to_decode_the_victim(monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None]) -> None:
    def message(decoder: Decoder, message: Any) -> Any:
        if POISON in str(message.body):
            fail()
        return original(decoder, message)

    original = Decoder.message
    monkeypatch.setattr(Decoder, "message", message)


@AT_EACH_SOURCE
def test_a_message_whose_decoding_raises_is_rejected_alone(
    program: EmbeddingProgram,
    feed: Feed,
    raise_odd: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_to_decode_the_victim(monkeypatch, raise_odd)
    assert_only_the_victim_is_rejected(Ingest(program, feed), "cannot be read")


@pytest.mark.parametrize(("feed", "raise_odd"), NO_EXIT, indirect=["feed"])
def test_a_message_whose_storing_raises_is_rejected_alone(
    program: EmbeddingProgram,
    feed: Feed,
    raise_odd: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def record(store: SqlStore, matched_events: Sequence[Any], policy: Any) -> Any:
        if any(each.event["message_id"] == POISON for each in matched_events):
            raise_odd()
        return original(store, matched_events, policy)

    original = SqlStore.record
    monkeypatch.setattr(SqlStore, "record", record)
    assert_only_the_victim_is_rejected(Ingest(program, feed), "cannot be stored")


def assert_only_the_victim_is_rejected(ingest: Ingest, reason: str) -> None:
    if isinstance(ingest.feed, HttpFeed):
        statuses = ingest.feed.statuses
        ingest.run_until(lambda: len(statuses) == NUMBER)
        assert [each for each in statuses if each >= 400] == [statuses[VICTIM]] == [400]
    else:
        ingest.run_until(lambda: len(ingest.rejected()) == 1 and len(ingest.stored()) >= NUMBER - 1)
        assert reason in ingest.rejected()[0]
    assert ingest.stored() == OTHERS


@AT_EACH_SOURCE
def test_a_message_that_cannot_be_settled_delays_no_other(
    program: EmbeddingProgram,
    feed: Feed,
    raise_odd: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ValueError("as the test wants it")

    fail_to_decode_the_victim(monkeypatch, fail)
    ingest = Ingest(program, feed)
    (entry,) = ingest._entries.values()
    method = "reply" if isinstance(feed, HttpFeed) else "reject"
    failing = FailingOnce(monkeypatch, entry.source_class, method, raise_odd)
    ingest.run_until(lambda: ingest.manager.store.count_events() >= NUMBER - 1)
    assert failing.has_raised
    assert ingest.stored() == OTHERS


@pytest.mark.parametrize("name", [*AT_SERVERS, "MemoryError", "SystemExit", "recursion"])
def test_a_request_that_raises_in_the_http_server_costs_itself(
    program: EmbeddingProgram,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = HttpFeed(tmp_path)
    failing = FailingOnce(monkeypatch, Application, "_receive", ODD_EXCEPTIONS[name], 3)
    ingest = Ingest(program, feed)
    try:
        ingest.run_until(lambda: ingest.manager.store.count_events() == NUMBER)
    finally:
        feed.close()
    assert failing.has_raised
    assert ingest.stored() == IDS
