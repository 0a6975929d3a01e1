"""Everything an operator does from the pages, while an ingester and a worker run."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from playwright.sync_api import expect

from support.builders.shop_day import SECRETS
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.errors import UnknownStream
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.operation_records import ActionFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

    from console.conftest import ConsoleUnderTest


@contextmanager
def running_engine(act: ConsoleUnderTest) -> Iterator[None]:
    """Run an ingester and a worker on the site."""
    act.programs.start("ingest", "winchester", "ingest", "-c", "winchester.yaml")
    act.programs.worker("live-worker")
    wait_until(lambda: post(act, []) is not None)
    yield


def post(act: ConsoleUnderTest, events: list[dict[str, Any]]) -> httpx.Response | None:
    """Send events to the ingester; return None while it does not respond."""
    url = f"http://127.0.0.1:{act.site.ingest_port}/v1/events"
    try:
        return httpx.post(url, json=events, timeout=BOUND_SECONDS)
    except httpx.TransportError:
        return None


def send(act: ConsoleUnderTest, event_type: str, **traits: Any) -> None:
    """Send one event that happens now, and wait until it is stored."""
    event = {
        "message_id": f"live {event_type} {traits}"[:255],
        "event_type": event_type,
        "timestamp": datetime.now(UTC).isoformat(),
        **traits,
    }
    response = post(act, [event])
    assert response is not None
    assert response.json()["results"][0]["outcome"] == "stored", response.text


def test_a_stream_fills_fires_fails_is_explained_reset_completed_and_deleted(
    act: ConsoleUnderTest,
) -> None:
    order = {"order_id": "Z-1"}
    with running_engine(act), act.operator(expected=("404",)) as watched:
        send(act, "order.placed", **order, total=80.5, currency="CHF")
        page = watched.page("/streams?trait=order_id=Z-1")
        page.locator("tbody a").first.click()
        main = page.locator("main")
        expect(main).to_contain_text("Why it has not fired")
        expect(main).to_contain_text("step 1 of 3 is reached")
        stream_id = int(page.url.rpartition("/")[2])
        send(act, "order.paid", **order, amount=80.5, currency="CHF")
        # the page refreshes itself
        expect(main).to_contain_text("step 2 of 3 is reached")
        send(act, "order.shipped", **order)
        wait_until(lambda: state(act, stream_id) == "error")
        page.reload()
        expect(main.locator(".head .badge").first).to_have_text("error")
        expect(main).to_contain_text("no exchange rate for CHF in rates.json")
        page.get_by_text("Traceback").first.click()
        expect(page.get_by_role("region", name="Traceback")).to_contain_text("LookupError")
        act.site.repair_rates()
        press(page, "Reset")
        expect(main).to_contain_text("The stream was reset: a worker processes it again.")
        wait_until(lambda: state(act, stream_id) == "completed")
        page.reload()
        expect(main).to_contain_text("It has fired")
        expect(page.get_by_role("table", name="History")).to_contain_text("anna")
        press(page, "Delete")
        expect(main).to_contain_text("The events are kept.")
        press(page, "Purge stream")
        expect(main).to_contain_text("The stream was deleted.")
        response = page.goto(f"{act.console.url}/streams/{stream_id}")
        assert response is not None
        assert response.status == 404
        assert state(act, stream_id) is None


def test_all_failed_streams_are_reset_after_a_count_is_confirmed(act: ConsoleUnderTest) -> None:
    failed = number_of(act, StreamState.ERROR)
    act.site.repair_rates()
    with running_engine(act), act.operator() as watched:
        page = watched.page("/streams?state=error&trigger=order")
        press(page, "Reset streams in error")
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Reset {failed} streams?")
        press(page, f"Reset {failed} streams")
        expect(page).to_have_title(re.compile(f"{failed} streams reset"))
        wait_until(lambda: number_of(act, StreamState.ERROR) == 0)
        press(page, "Back to the list")
        expect(page.locator("main")).to_contain_text("No stream")
        assert_recorded(act, "stream.reset", failed)


def test_streams_are_discarded_without_scripts(clean_up: ConsoleUnderTest) -> None:
    failed = number_of(clean_up, StreamState.ERROR)
    with clean_up.operator(java_script_enabled=False) as watched:
        page = watched.page("/streams?state=error")
        press(page, "Discard streams in error")
        press(page, "Cancel")
        expect(page).to_have_url(re.compile(r"/streams\?state=error$"))
        press(page, "Discard streams in error")
        press(page, f"Discard {failed} streams")
        expect(page).to_have_title(re.compile(f"{failed} streams discarded"))
    assert number_of(clean_up, StreamState.ERROR) == 0
    assert_recorded(clean_up, "stream.discard", failed)


def test_rejected_messages_are_retried_shown_and_discarded(clean_up: ConsoleUnderTest) -> None:
    with clean_up.site.store() as store:
        path = f"/rejected/{store.find_rejected(limit=1)[0].id}"
    with clean_up.operator(java_script_enabled=False) as watched:
        page = watched.page(path)
        main = page.locator("main")
        expect(main).to_contain_text("***")
        assert SECRETS[0] not in page.content()
        press(page, "Show as received")
        expect(main).to_contain_text(SECRETS[0])
        press(page, "Retry")
        expect(main).to_contain_text("The message is still invalid")
        press(page, "Discard")
        press(page, "Discard rejected message")
        expect(main).to_contain_text("It was deleted.")
        press(page, "Discard all")
        question = page.get_by_role("heading", level=1)
        expect(question).to_have_text(re.compile(r"^Discard \d+ rejected messages"))
        left = int(re.sub(r"\D", "", question.inner_text()))
        press(page, f"Discard {left} rejected messages")
        expect(page).to_have_title(re.compile(f"{left} rejected messages discarded"))
    with clean_up.site.store() as store:
        assert store.count_rejected() == 0
    for action in ("rejected.raw", "rejected.discard"):
        assert_recorded(clean_up, action)


def test_effects_are_retried_shown_and_discarded(clean_up: ConsoleUnderTest) -> None:
    dead = EffectFilter(state=EffectState.DEAD)
    with clean_up.site.store() as store:
        path = f"/outbox/{store.find_effects(dead, limit=1)[0].id}"
    with clean_up.operator() as watched:
        page = watched.page(path)
        main = page.locator("main")
        press(page, "Show with secrets")
        expect(main).to_contain_text("recorded as your action")
        press(page, "Retry")
        expect(main).to_contain_text("The effect is due for delivery now.")
        expect(main.locator("h1 ~ .badge").first).to_have_text("pending")
        press(page, "Discard")
        press(page, "Discard effect")
        expect(main).to_contain_text("It was deleted.")
        page.goto(clean_up.console.url + "/outbox?state=dead")
        press(page, "Discard dead letters")
        page.get_by_role("button", name=re.compile(r"^Discard \d+ effect")).click()
        expect(page).to_have_title(re.compile("discarded"))
    with clean_up.site.store() as store:
        assert store.count_effects(dead) == 0
    for action in ("outbox.raw", "outbox.retry", "outbox.discard"):
        assert_recorded(clean_up, action)


def state(act: ConsoleUnderTest, stream_id: int) -> str | None:
    """Return the state of a stream, or None if it does not exist any more."""
    with act.site.store() as store:
        try:
            return store.get_stream_by_id(stream_id).state.value
        except UnknownStream:
            return None


def number_of(act: ConsoleUnderTest, state: StreamState) -> int:
    with act.site.store() as store:
        return store.count_streams(StreamFilter(states=(state,)))


def assert_recorded(act: ConsoleUnderTest, action: str, number: int | None = None) -> None:
    """Assert that the operator's action was recorded, for `number` objects."""
    with act.site.store() as store:
        found = store.find_actions(ActionFilter(action=action, name="anna"))
    assert found, action
    assert number is None or found[-1].number == number


def press(page: Page, label: str) -> None:
    """Press the button, or follow the link, whose name begins with `label`."""
    button(page, label).click()
    page.wait_for_load_state()


def button(page: Page, label: str) -> Locator:
    name = re.compile(rf"^{re.escape(label)}\b")
    main = page.locator("main")
    return main.get_by_role("button", name=name).or_(main.get_by_role("link", name=name)).first
