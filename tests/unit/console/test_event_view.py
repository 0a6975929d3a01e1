"""Values of the pages of events: reasons of triggers, and bounds."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import escape

from support.builders.events import at, make_event
from winchester_core.console.pages.event_view import (
    MAX_OTHER_TRIGGERS,
    MAX_RELATED_TRIGGERS,
    MAX_ROW_TRAITS,
    MAX_TRAITS_BYTES,
    event_row,
    event_view,
    triggers_view,
)
from winchester_core.console.shown_text import shown


def explained(name: str, **changes: Any) -> dict[str, Any]:
    """Return the explanation of an event for a trigger that it does not match."""
    return {
        "trigger": name,
        "matches": False,
        "reason": "it meets no match criterion",
        "streams": [],
        "waits_until": None,
        "cancel_criteria": [],
        "match_criteria": [],
        **changes,
    }


def view(*triggers: dict[str, Any]) -> Any:
    return triggers_view({"triggers": list(triggers), "streams_omitted": False})


def failed(reason: str) -> dict[str, Any]:
    return {"criterion": "c", "met": False, "reason": reason}


def test_a_trigger_is_related_if_it_matches_holds_or_waits() -> None:
    found = view(
        explained("other"),
        explained("matching", matches=True),
        explained("removed", streams=[{"id": 1}]),
        explained("late", waits_until="2024-05-17T12:00:00+00:00"),
    )
    assert [each["trigger"] for each in found.related] == ["matching", "removed", "late"]
    assert [name for name, _ in found.others] == ["other"]


def test_each_reason_is_shown_once() -> None:
    rows = [failed("no host"), failed("too late"), failed("no host")]
    (other,) = view(explained("t", match_criteria=rows, cancel_criteria=[failed("x")])).others
    assert other == ("t", ["x", "no host", "too late"])


def test_an_event_without_a_group_has_this_reason() -> None:
    reason = "it meets match criterion 1, but it has no trait 'host'"
    rows = [{"criterion": "c", "met": True, "reason": "c"}, failed("no host")]
    (other,) = view(explained("t", reason=reason, match_criteria=rows)).others
    assert other == ("t", [reason])
    assert view(explained("t")).others == [("t", ["it meets no match criterion"])]


def test_the_numbers_of_triggers_are_bounded() -> None:
    related = [explained(f"m{n}", matches=True) for n in range(MAX_RELATED_TRIGGERS + 2)]
    others = [explained(f"o{n}") for n in range(MAX_OTHER_TRIGGERS + 3)]
    found = view(*related, *others)
    assert (len(found.related), found.related_omitted) == (MAX_RELATED_TRIGGERS, 2)
    assert (len(found.others), found.omitted) == (MAX_OTHER_TRIGGERS, 3)


def test_a_row_has_the_first_traits() -> None:
    event = make_event("m", **{f"t{n}": n for n in range(MAX_ROW_TRAITS + 3)})
    row = event_row(event)
    assert len(row["traits"]) == MAX_ROW_TRAITS
    assert row["omitted"] == 4  # with `instance`
    assert row["timestamp"] == "2024-05-17T12:00:00+00:00"


def test_traits_have_types_and_queries() -> None:
    event = make_event("m", i=5, f=5.0, b=True, t=at(1), s="5", **{"a=b": "x"})
    found = {each.name: (each.type_name, each.query) for each in event_view(event).traits}
    assert found == {
        "i": ("integer", "trait=i%3D5"),
        "f": ("float", "trait=f%3D5.0"),
        "b": ("boolean", "trait=b%3Dtrue"),
        "t": ("time", "trait=t%3D2024-05-17T12%3A00%3A01%2B00%3A00"),
        "s": ("text", "trait=s%3D%225%22"),
        "a=b": ("text", ""),
        "instance": ("text", "trait=instance%3Da"),
    }


@pytest.mark.parametrize("character", ["a", "&", "\N{PILE OF POO}", "\x1b", "\U000e0001"])
def test_the_size_of_traits_is_bounded_as_html(character: str) -> None:
    traits = {f"{n:03}{character * 252}": character * 1_000 for n in range(400)}
    found = event_view(make_event("m", **traits))
    html = "".join(
        f"{escape(shown(each.name))}{escape(shown(each.text, 65_536))}{each.query}"
        for each in found.traits
    )
    assert 100_000 < len(html.encode()) <= MAX_TRAITS_BYTES
    assert len(found.traits) + found.omitted == 401


def test_one_trait_is_always_shown() -> None:
    (found,) = event_view({**make_event("m"), "instance": "&" * 100_000}).traits
    assert (len(found.text), found.length) == (65_536, 100_000)
