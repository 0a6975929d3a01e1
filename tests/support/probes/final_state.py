"""The final contents of a site's database."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from support.scenes.sites import Site

EVERYTHING = 1_000_000


class Outcome:
    """Its events, its streams, and the members of each."""

    def __init__(self, site: Site) -> None:
        with site.store() as store:
            self.streams = store.find_streams(StreamFilter(), limit=EVERYTHING)
            self.members = store.events_of([stream.id for stream in self.streams])
            self.events = store.find_events(EventFilter(), limit=EVERYTHING)
        settings = bootstrap.load_settings(site.config, ignores=("pipelines", "sources"))
        self._triggers = TriggerSet(bootstrap.trigger_definitions(settings))

    def check_members(self) -> None:
        """Assert that every event is in exactly one stream of each matching trigger.

        It is a stream of the event's group, and its row agrees with its members.
        """
        expected = Counter(
            (event["message_id"], match.definition.name, group_of(match.group.values))
            for event in self.events
            for match in self._triggers.match(event)
        )
        found = Counter(
            (event["message_id"], stream.name, group_of(stream.distinguished_by))
            for stream in self.streams
            for event in self.members[stream.id]
        )
        assert found == expected
        assert set(found.values()) == {1}
        for stream in self.streams:
            times = [event["timestamp"] for event in self.members[stream.id]]
            assert (stream.first_event, stream.last_event) == (min(times), max(times))
            assert stream.event_count == len(times)


def group_of(values: Any) -> str:
    """Return the distinguishing traits as text that is unique per group."""
    return repr(sorted(values.items()))
