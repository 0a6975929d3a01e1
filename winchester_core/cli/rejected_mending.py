"""``winchester rejected retry|discard``: trying rejected messages again, and forgetting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.cli.acting import NOT_DONE, ActOnEach
from winchester_core.cli.options import load_configuration
from winchester_core.cli.session import Session
from winchester_core.model.message import Message, MessageKind

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.ingest import EventOutcome, Ingester
    from winchester_core.storage.records import RejectedMessage

INVALID: Final = "invalid"


class RejectedRetry(ActOnEach["Ingester"]):
    """Take rejected messages in again.

    Each is treated as if its source had just given it: distilled if it is a notification, stored,
    matched with the triggers. The outcome is stored, duplicate (its event is known) or dropped
    (no definition covers it): the rejected message is then removed. If it is invalid still, it
    stays, with the reason of this time, and the exit status is 1.
    """

    examples = (
        "winchester rejected retry -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --source incoming -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    what = "the rejected messages"
    failures = frozenset({NOT_DONE, INVALID})

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--datetime-trait``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--datetime-trait",
            metavar="NAME",
            action="append",
            default=[],
            help="a trait of the events that is a datetime, as of 'winchester ingest'. Repeated: "
            "all of them",
        )
        return parser

    def tool(self, parsed_args: Namespace) -> Ingester:
        """What takes messages in."""
        from winchester_core.bootstrap import TriggerManager

        return TriggerManager(load_configuration(parsed_args, ignores=("pipelines", "sources")))

    def act(self, tool: Ingester, each_id: int, parsed_args: Namespace) -> tuple[str, str | None]:
        """Retry one message; when it is settled, forget it."""
        rejected = tool.store.get_rejected(each_id)
        if len(rejected.body) < rejected.body_length:
            kept, length = len(rejected.body), rejected.body_length
            return NOT_DONE, f"only {kept} of its {length} bytes were kept"
        outcome = _retried(tool, rejected, tuple(parsed_args.datetime_trait))
        if outcome.status.value == INVALID:
            _update_reason(tool, rejected, outcome.reason or "")
        else:
            tool.store.delete_rejected(each_id)
        return outcome.status.value, outcome.reason


class RejectedDiscard(ActOnEach[Session]):
    """Forget rejected messages.

    They are removed for good, with their bodies. If a source gives one again, and it is bad
    still, it is kept anew.
    """

    examples = (
        "winchester rejected discard -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --older-than 30d -f value --column id "
            "| xargs winchester rejected discard -c winchester.yaml"
        ),
    )
    what = "the rejected messages"

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        return Session(parsed_args)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Discard one message."""
        tool.store.delete_rejected(each_id)
        return "discarded", None


def _retried(
    manager: Ingester, rejected: RejectedMessage, datetime_traits: tuple[str, ...]
) -> EventOutcome:
    kind = MessageKind(rejected.kind)
    message = Message(rejected.body, kind, redelivered=True, datetime_traits=datetime_traits)
    (outcome,) = manager.add_messages([message]).outcomes
    return outcome


def _update_reason(manager: Ingester, rejected: RejectedMessage, reason: str) -> None:
    """Keep the reason of this time; the same one stays as it is, with the place it names."""
    if not rejected.reason.endswith(reason):
        manager.store.set_rejected_reason(rejected.id, reason)
