"""``winchester event show``: one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import Session
from winchester_core.errors import StorageError
from winchester_core.model.event_json import flat_event

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


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
            event = session.store.get_event_by_message_id(parsed_args.message_id)
        if event is None:
            raise StorageError(
                f"no event has the id {parsed_args.message_id!r}: "
                "'winchester event list' shows those that are stored"
            )
        return flat_event(event)
