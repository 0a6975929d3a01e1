"""``winchester rejected show``: one rejected message with its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.message_body import body_text, shown_body
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import DocumentShow
from winchester_core.cli.rejected import flat_rejected
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


class RejectedShow(DocumentShow):
    """Show one rejected message with its body.

    A body that is JSON is shown as such. The values of keys like *token*, *password* and
    *secret* are masked; --raw shows the body as it was received. Of a long body the first MiB
    is kept: body_length is the whole body's, body_kept that of what is here.
    """

    examples = (
        "winchester rejected show -c winchester.yaml 7",
        "winchester rejected show -c winchester.yaml 7 --raw -f json",
    )

    document = "body"

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--raw``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the message's id")
        parser.add_argument(
            "--raw", action="store_true", help="show the body as text, passwords and all"
        )
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The message. Raises `UnknownRejectedMessage`."""
        with Session(parsed_args) as session:
            message = session.store.get_rejected(parsed_args.id)
        show = body_text if parsed_args.raw else shown_body
        shown = flat_rejected(message)
        reason = shown.pop("reason")
        return {
            **shown,
            "body_kept": len(message.body),
            "reason": reason,
            "body": show(message.body),
        }
