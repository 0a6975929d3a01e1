"""Why a stream of a case is as it is: what it lacks to fire, and where a missing event went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cases.values import in_words
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import describe_missing, explain_event, explain_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.config.cases import ExpectedItem
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition


class Reasons:
    """Explains what is in `store` by the triggers `definitions`."""

    def __init__(self, store: Store, definitions: Mapping[str, TriggerDefinition]) -> None:
        self._store = store
        self._definitions = definitions

    def of(self, came: Mapping[str, Any], expected: ExpectedItem) -> list[str]:
        """What explains that a stream is not as expected, as far as it does."""
        definition = self._definitions[came["trigger"]]
        told: list[str] = []
        if expected.fields.get("outcome", came["outcome"]) != came["outcome"]:
            told += self._lacking(definition, came)
        missing = [each for each in expected.fields.get("events", ()) if each not in came["events"]]
        return [*told, *(self._absence(definition, each) for each in missing)]

    def _lacking(self, definition: TriggerDefinition, came: Mapping[str, Any]) -> Iterator[str]:
        stream = self._store.get_stream_by_id(came["id"])
        events = self._store.get_stream_events(stream.id)
        for place, each in enumerate(explain_progress(definition, stream, events), start=1):
            if not each.is_met:
                yield f"because {describe_missing(place, each)}"
        if stream.last_error:
            yield f"because {stream.last_error.rstrip().rpartition(chr(10))[2]}"

    def _absence(self, definition: TriggerDefinition, message_id: str) -> str:
        event = self._store.get_event_by_message_id(message_id)
        if event is None:
            return f"{message_id} is not in it: no such event is stored"
        told = explain_event(definition, event)
        if not told.matched:
            reasons = [each.reason for each in told.match_criteria if not each.is_met]
            return f"{message_id} is not in it: {'; '.join([told.reason, *reasons])}"
        wanted = StreamFilter(name=definition.name, message_id=message_id)
        others = [each.distinguished_by for each in self._store.find_streams(wanted)]
        return f"{message_id} is not in it, but in the stream of {in_words(others)}"
