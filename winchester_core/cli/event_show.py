"""``winchester event show``: one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import Session
from winchester_core.errors import StorageError
from winchester_core.model.json import flat_event

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store


class EventShow(ObjectShow):
    """Show one event with all its traits.

    Datetimes are ISO 8601 with their offset; @datetime_traits names the traits that are
    datetimes, as in the output of 'winchester event list'. Which streams hold the event is told
    by 'winchester stream list --message-id'.
    """

    examples = (
        "winchester event show -c winchester.yaml 2e5d1c1f-8a4e-4cc7-8b7e-d6fd3b9a5f3c",
        "winchester event show -c winchester.yaml order-1001-paid -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("message_id", metavar="MESSAGE_ID", help="the event's id")
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The event. Raises `StorageError` when there is none with this id."""
        with Session(parsed_args) as session:
            return flat_event(event_with_id(session.store, parsed_args.message_id))


def event_with_id(store: Store, message_id: str) -> Event:
    """The event with this id. Raises `StorageError` when there is none."""
    event = store.get_event_by_message_id(message_id)
    if event is None:
        raise StorageError(
            f"no event has the id {message_id!r}: 'winchester event list' shows those that are "
            "stored. It may have been rejected ('winchester rejected list'), dropped since no "
            "event definition covers its type, or trimmed"
        )
    return event
