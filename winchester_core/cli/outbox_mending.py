"""``winchester outbox retry|discard``: sending effects again, and forgetting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.cli.acting import ActOnEach
from winchester_core.cli.failure import UsageError
from winchester_core.cli.outbox import PAGE, add_effect_filters, effect_filter
from winchester_core.cli.session import Session
from winchester_core.model.effect import EffectState

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

FILTERS: Final = ("pipeline", "handler", "stream", "older_than", "younger_than")
BEHIND: Final = "another effect of its stream and handler goes first"


class OutboxRetry(ActOnEach[Session]):
    """Let workers deliver effects now.

    A dead letter becomes pending again, as if it had just been recorded: its attempts and its age
    begin anew, and the outside knows it by the id that it had. A pending effect need not wait for
    its next try. The outcome is due, or waiting when another effect of its stream and handler goes
    first. One that a worker is delivering is left as it is; the exit status is then 1.

    --all means every dead letter, or those that the filters leave.
    """

    examples = (
        "winchester outbox retry -c winchester.yaml 7 8",
        "winchester outbox retry -c winchester.yaml --all --handler mail --younger-than 12h",
    )
    what = "the effects"
    ids_may_be_absent = True

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--all`` and the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--all", action="store_true", help="every dead letter, in the place of ids"
        )
        add_effect_filters(parser)
        return parser

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        _check_choice(parsed_args)
        return Session(parsed_args)

    def ids(self, tool: Session, parsed_args: Namespace) -> Iterator[int]:
        """Those that are named, or every dead letter that the filters leave."""
        if not parsed_args.all:
            yield from super().ids(tool, parsed_args)
            return
        wanted = effect_filter(tool, EffectState.DEAD)
        for page in tool.pages(tool.store.find_effects, wanted, None, PAGE):
            yield from (effect.id for effect in page)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, str | None]:
        """Retry one effect."""
        effect = tool.store.retry_effect(each_id)
        return ("due", None) if effect.due_at is not None else ("waiting", BEHIND)


class OutboxDiscard(ActOnEach[Session]):
    """Forget effects.

    They are removed for good, dead letters and pending ones alike: what they would have told the
    outside is never told. One that a worker is delivering is left as it is; the exit status is
    then 1.
    """

    examples = (
        "winchester outbox discard -c winchester.yaml 7 8",
        (
            "winchester outbox list -c winchester.yaml --state dead --older-than 30d -f value "
            "--column id | xargs winchester outbox discard -c winchester.yaml"
        ),
    )
    what = "the effects"

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        return Session(parsed_args)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Discard one effect."""
        tool.store.discard_effect(each_id)
        return "discarded", None


def _check_choice(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless there are either ids or ``--all``, and filters only with that."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("name effects by their ids, or all dead letters by --all")
    given = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if given and not parsed_args.all:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} narrows --all down: it does not go with ids")
