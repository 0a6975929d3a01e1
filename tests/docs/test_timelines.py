"""The pictures of triggers show the streams that the engine makes of their events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from generated_reference.timelines import HOME, ShownStream, descriptions, render, timeline

if TYPE_CHECKING:
    from pathlib import Path


def picture(events: str, **trigger: Any) -> dict[str, Any]:
    """Describe a picture with one row."""
    return {
        "title": "shown",
        "start": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "length": 30,
        "tick": 10,
        "trigger": {
            "match_criteria": [{"event_type": "A"}],
            "fire_criteria": [{"number": 2}],
            "expiration": "$last + 10m",
            **trigger,
        },
        "rows": [{"caption": "shown", "events": events}],
    }


@pytest.mark.parametrize(
    ("events", "trigger", "streams"),
    [
        ("A@3 A@7", {}, [ShownStream(3, 7, "fired")]),
        ("A@3 A@14", {}, [ShownStream(3, 13, "expired"), ShownStream(14, 24, "expired")]),
        ("A@3 A@2>9", {"fire_delay": "4m"}, [ShownStream(3, 13, "fired", met=9)]),
        (
            "A@1 A@2 A@5 A@6",
            {"suppress": "20m"},
            [ShownStream(1, 2, "fired", silent_until=22), ShownStream(5, 6, "suppressed")],
        ),
        (
            "A@3 C@8",
            {"cancel_criteria": [{"event_type": "C"}]},
            [ShownStream(3, 8, "cancelled")],
        ),
        ("A@29", {}, [ShownStream(29, 39, "active")]),
    ],
)
def test_streams_are_drawn_as_the_engine_makes_them(
    events: str, trigger: dict[str, Any], streams: list[ShownStream]
) -> None:
    assert timeline(picture(events, **trigger)).rows[0].streams == streams


def test_an_event_waits_until_the_stream_begins_or_its_lateness_is_over() -> None:
    joins = {"event_type": "B", "opens": False}
    trigger = {"match_criteria": [{"event_type": "A"}, joins], "lateness": "5m"}

    (row,) = timeline(picture("B@1 B@8 A@10 B@12", **trigger)).rows

    assert [each.waits_until for each in row.events] == [6, 10, None, None]


def test_an_event_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="not an event of a time line: 'A'"):
        timeline(picture("A at 3"))


@pytest.mark.parametrize("name", descriptions())
def test_a_picture_is_on_the_page_of_triggers_with_a_text(name: str, checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "triggers.md").read_text()
    title = ElementTree.fromstring(render(name)).findtext("{http://www.w3.org/2000/svg}title")

    assert f"![{title}](timelines/{name}.svg)" in page


def test_there_is_no_other_picture(checkout: Path) -> None:
    present = {path.stem for path in (checkout / "docs" / HOME).iterdir()}

    assert present == set(descriptions())
