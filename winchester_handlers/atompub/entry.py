"""The Atom entry of an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from winchester_handlers.atompub.cuf import cuf_event, replace_invalid_xml
from winchester_handlers.atompub.params import CUF_XML

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

ATOM = "http://www.w3.org/2005/Atom"
CUF_SUFFIX = ".cuf"
PLAIN_IN_URN = "-._~!$&'()*+,;=:@/"
register_namespace("atom", ATOM)


def atom_entry(event: Mapping[str, Any], params: Mapping[str, Any]) -> bytes:
    """Return the XML document of an event. `params` are the parameters of the handler.

    All texts are escaped. Characters that XML does not allow become U+FFFD in the title, the
    categories and CUF. In JSON they are escaped, and in the id they are percent-encoded.
    """
    published_type = event["event_type"]
    if params["content_format"] == CUF_XML:
        published_type += CUF_SUFFIX
    entry = Element(f"{{{ATOM}}}entry")
    _child(entry, "id").text = entry_id(event["message_id"])
    for term in _terms(event, published_type, params["categories"]):
        _child(entry, "category", term=replace_invalid_xml(term))
    _child(entry, "title", type="text").text = replace_invalid_xml(
        params["title"] or published_type
    )
    _add_content(entry, {**event, **params["extra_info"]}, params["content_format"])
    document: bytes = tostring(entry, encoding="utf-8", xml_declaration=True)
    return document


def entry_id(message_id: str) -> str:
    """Return the entry's id, which is unique for each message id."""
    return f"urn:uuid:{quote(message_id, safe=PLAIN_IN_URN)}"


def _terms(event: Mapping[str, Any], published_type: str, configured: Sequence[str]) -> list[str]:
    original = event.get("original_message_id")
    original_terms = [] if original is None else [f"original_message_id:{original}"]
    return [*configured, published_type, *original_terms]


def _add_content(entry: Element, traits: Mapping[str, Any], content_format: str) -> None:
    if content_format == CUF_XML:
        _child(entry, "content", type="application/xml").append(cuf_event(traits))
    else:
        # the text is ASCII, so XML allows all its characters
        _child(entry, "content", type="application/json").text = json.dumps(traits, default=_iso)


def _child(entry: Element, name: str, **attributes: str) -> Element:
    return SubElement(entry, f"{{{ATOM}}}{name}", attributes)


def _iso(value: datetime) -> str:
    return value.isoformat()
