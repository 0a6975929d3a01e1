"""``winchester outbox show``: one effect with its payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.message_body import body_text, shown_body
from winchester_core.cli.options import positive_number
from winchester_core.cli.outbox import flat_effect
from winchester_core.cli.output import DocumentShow
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


class OutboxShow(DocumentShow):
    """Show one effect that has not been delivered, with its payload.

    The values of keys like *token*, *password* and *secret* are masked; --raw shows the payload
    as the text that is stored. A datetime in it is an object: {"datetime": "..."}.
    """

    examples = (
        "winchester outbox show -c winchester.yaml 7",
        "winchester outbox show -c winchester.yaml 7 --raw -f json",
    )
    document = "payload"

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--raw``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the effect's id")
        parser.add_argument(
            "--raw", action="store_true", help="show the payload as text, passwords and all"
        )
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The effect. Raises `UnknownEffect`."""
        with Session(parsed_args) as session:
            effect = session.store.get_effect(parsed_args.id)
        show = body_text if parsed_args.raw else shown_body
        return {**flat_effect(effect), "payload": show(effect.payload.encode())}
