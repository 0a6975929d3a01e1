"""Any event becomes XML that keeps its content."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.model.event import clean_event
from winchester_handlers.atompub import AtomPubHandler
from winchester_handlers.atompub.cuf import replace_invalid_xml
from winchester_handlers.atompub.entry import ATOM, atom_entry, entry_id

SPECIAL_CHARACTERS = st.text(
    st.sampled_from("<&\"'>]]\x01\x08\x0b\x1f\x7f\x85\r\n\t\ufffe\uffff\u2028ß😀a")
)
TEXTS = SPECIAL_CHARACTERS | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)
IDS = st.one_of(SPECIAL_CHARACTERS, TEXTS).filter(bool).map(lambda text: text[:255])
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))
VALUES = TEXTS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | MOMENTS
FIELDS = (
    "original_message_id",
    "instance_id",
    "display_name",
    "tenant_id",
    "instance_flavor_id",
    "instance_flavor",
    "state",
    "state_description",
    "rax_options",
    "bandwidth_in",
    "bandwidth_out",
    "launched_at",
    "deleted_at",
    "terminated_at",
    "audit_period_beginning",
    "audit_period_ending",
)
EVENTS = st.builds(
    lambda traits, message_id, event_type, timestamp: (
        clean_event(
            {
                **traits,
                "message_id": message_id,
                "event_type": event_type,
                "timestamp": timestamp,
            }
        ).event
    ),
    st.dictionaries(st.sampled_from(FIELDS) | IDS, VALUES),
    IDS,
    IDS,
    MOMENTS,
)


def parsed(event: dict[str, Any], **params: Any) -> ElementTree.Element:
    checked = AtomPubHandler.config_schema({"url": "https://example.org/", **params})
    return ElementTree.fromstring(atom_entry(event, checked))


def as_read(text: str) -> str:
    """Return text with line ends normalized as by an XML parser."""
    return replace_invalid_xml(text).replace("\r\n", "\n").replace("\r", "\n")


@given(EVENTS, TEXTS.filter(bool), TEXTS.filter(bool))
def test_an_entry_with_json_round_trips(event: dict[str, Any], title: str, category: str) -> None:
    entry = parsed(event, title=title, categories=[category])

    assert entry.findtext(f"{{{ATOM}}}id") == entry_id(event["message_id"])
    assert entry.findtext(f"{{{ATOM}}}title") == as_read(title)
    terms = [each.get("term") for each in entry.findall(f"{{{ATOM}}}category")]
    assert terms[:2] == [replace_invalid_xml(category), replace_invalid_xml(event["event_type"])]
    content = json.loads(entry.findtext(f"{{{ATOM}}}content") or "")
    assert content == {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.items()
    }


@given(EVENTS, TEXTS)
def test_an_entry_with_cuf_round_trips(event: dict[str, Any], region: str) -> None:
    entry = parsed(event, content_format="cuf_xml", extra_info={"region": region})

    (cuf,) = next(entry.iter(f"{{{ATOM}}}content"))
    assert cuf.get("id") == replace_invalid_xml(event["message_id"])
    assert cuf.get("region") == replace_invalid_xml(region)
    for attribute, trait in {"resourceName": "display_name", "resourceId": "instance_id"}.items():
        if isinstance(event.get(trait), str):
            assert cuf.get(attribute) == replace_invalid_xml(event[trait])


@given(IDS)
def test_different_ids_stay_different(message_id: str) -> None:
    made = entry_id(message_id)

    assert made.isascii()
    assert made.isprintable()
    assert unquote(made.removeprefix("urn:uuid:")) == message_id
