"""The mappings of services without a ready mapping, on the page about other services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml

from support.builders.ready_mappings import PLUGINS
from support.probes.page_blocks import DOCS, ROOT, blocks_of
from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MappingSet, MessageDropped
from winchester_core.model import Message, MessageKind

if TYPE_CHECKING:
    from winchester_core.model import Event

PAGE = DOCS / "how-to" / "webhooks-of-services.md"
TIME = datetime(2026, 5, 20, 14, 0, tzinfo=UTC)
ORDER = {
    "id": 7001,
    "name": "#1001",
    "created_at": "2026-05-20T09:00:00-05:00",
    "updated_at": "2026-05-20T09:00:00-05:00",
    "total_price": "59.90",
    "currency": "CHF",
    "financial_status": "paid",
    "fulfillment_status": None,
    "customer": {"id": 5, "email": "greta@example.org"},
}
ORDER_HEADERS = {
    "X-Shopify-Topic": "orders/create",
    "X-Shopify-Event-Id": "4f1c",
    "X-Shopify-Shop-Domain": "lamps.example.org",
}


@pytest.fixture(scope="module")
def mappings() -> MappingSet:
    """The mappings of the page."""
    blocks = [
        yaml.safe_load(each.text) for each in blocks_of(PAGE, ROOT) if each.language == "yaml"
    ]
    (definitions,) = (each for each in blocks if isinstance(each, dict) and "shopify" in each)
    return MappingSet(definitions, PLUGINS)


def convert(mappings: MappingSet, name: str, body: Any, **headers: str) -> Event:
    """Return the event of a message."""
    message = Message(orjson.dumps(body), MessageKind.EVENT, headers=headers, mappings=(name,))
    (clean,) = mappings.convert(message, lambda: TIME).events
    assert clean.drops == ()
    return clean.event


def pagerduty(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return a message of PagerDuty."""
    event = {
        "id": "01EXAMPLE",
        "event_type": event_type,
        "resource_type": event_type.partition(".")[0],
        "occurred_at": "2026-05-20T14:00:00.000Z",
        "agent": {"id": "PX1", "type": "user_reference", "summary": "Ole"},
        "client": None,
        "data": data,
    }
    return {"event": event}


def test_an_incident_of_pagerduty(mappings: MappingSet) -> None:
    data = {
        "id": "QZ1",
        "type": "incident",
        "number": 12,
        "status": "triggered",
        "title": "The lamp is out",
        "urgency": "high",
        "service": {"id": "PS1", "summary": "Lighthouse"},
        "assignees": [{"id": "PX2", "summary": "Frida"}],
        "html_url": "https://pagerduty.example.org/incidents/QZ1",
    }

    assert convert(mappings, "pagerduty", pagerduty("incident.triggered", data)) == {
        "message_id": "01EXAMPLE",
        "event_type": "pagerduty.incident.triggered",
        "timestamp": TIME,
        "incident": "QZ1",
        "number": 12,
        "title": "The lamp is out",
        "status": "triggered",
        "urgency": "high",
        "service": "Lighthouse",
        "assignee": "Frida",
        "agent": "Ole",
        "url": "https://pagerduty.example.org/incidents/QZ1",
    }


def test_a_note_of_pagerduty_names_its_incident(mappings: MappingSet) -> None:
    note = {"id": "N1", "type": "incident_note", "incident": {"id": "QZ1"}, "content": "bulb"}

    event = convert(mappings, "pagerduty", pagerduty("incident.annotated", note))

    assert event["incident"] == "QZ1"


def test_other_messages_of_pagerduty(mappings: MappingSet) -> None:
    event = convert(mappings, "pagerduty", pagerduty("service.updated", {"id": "PS1"}))

    assert event["event_type"] == "pagerduty.service.updated"
    with pytest.raises(MessageDropped):
        convert(mappings, "pagerduty", pagerduty("pagey.ping", {"message": "Hello"}))


def test_an_order_of_shopify(mappings: MappingSet) -> None:
    assert convert(mappings, "shopify", ORDER, **ORDER_HEADERS) == {
        "message_id": "4f1c",
        "event_type": "shopify.orders.create",
        "timestamp": TIME,
        "action": "create",
        "shop": "lamps.example.org",
        "order": 7001,
        "customer": 5,
        "total": 59.9,
        "currency": "CHF",
        "payment": "paid",
        "ordered_at": TIME,
    }


def test_other_messages_of_shopify_are_refused(mappings: MappingSet) -> None:
    headers = {**ORDER_HEADERS, "X-Shopify-Topic": "products/update"}

    with pytest.raises(InvalidEvent, match="of the mapping shopify matches the message"):
        convert(mappings, "shopify", {"id": 1}, **headers)
