"""``winchester outbox list``: effects that have not been delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.bulk import BulkCommand
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import DocumentShow, PagedLister, check_columns, parse_id_cursor
from winchester_core.cli.session import StoreSession, add_age_options, parse_age_bounds
from winchester_core.cli.values import body_text, iso_text, masked_body
from winchester_core.model.effect import EffectState
from winchester_core.service.exit import UsageError
from winchester_core.storage.effect_records import EffectFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from winchester_core.storage.effect_records import StoredEffect


COLUMNS: Final = (
    "id",
    "effect_id",
    "state",
    "pipeline",
    "handler",
    "place",
    "stream_id",
    "stream_name",
    "attempts",
    "created_at",
    "waiting_since",
    "due_at",
    "worker",
    "last_error",
)
DEFAULT_COLUMNS: Final = (
    "id",
    "state",
    "pipeline",
    "handler",
    "stream_id",
    "attempts",
    "created_at",
    "due_at",
    "last_error",
)
EFFECT_PAGE_SIZE: Final = 20
"""How many are read at a time: each comes with a payload of up to 4 MiB."""


class OutboxList(PagedLister):
    """List effects that wait for their delivery, and dead letters, by id.

    Each with its id here, its state (pending or dead), the pipeline and the handler that queued
    it and will deliver it, the id of its stream, the attempts to deliver it, when it was recorded,
    when it is due, and the last error. Times are the database server's. Due is none of a dead
    letter, nor of one that waits behind another of its stream and handler; of one that a worker
    has in hand, due is when its lease ends. Further columns: effect_id (the id that the handler
    and the outside know), place (among the pipeline's handlers of one name, from 0), stream_name,
    waiting_since (its age counts from here) and worker. 'winchester outbox show' shows the payload.
    """

    examples = (
        "winchester outbox list -c winchester.yaml --state dead --younger-than 1d",
        "winchester outbox list -c winchester.yaml --handler mail --count",
        (
            "winchester outbox list -c winchester.yaml --state dead -f value --column id "
            "| xargs winchester outbox retry -c winchester.yaml"
        ),
    )
    default_columns = DEFAULT_COLUMNS

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            choices=[state.value for state in EffectState],
            help="only those in this state, one of %(choices)s",
        )
        add_effect_filters(parser)
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """As any listing; a column that there is not is refused, since it would stay empty."""
        check_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: StoreSession) -> int:
        """How many there are."""
        return session.store.count_effects(self._filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Each, without its payload."""
        wanted, cursor = self._filter(session), parse_id_cursor(session.args.cursor)
        for page in session.pages(session.store.find_effects, wanted, cursor, EFFECT_PAGE_SIZE):
            yield from map(flat_effect, page)

    def _filter(self, session: StoreSession) -> EffectFilter:
        state = session.args.state
        return effect_filter(session, EffectState(state) if state else None)


def add_effect_filters(parser: ArgumentParser) -> None:
    """Add the options that narrow down which effects are meant."""
    parser.add_argument("--pipeline", metavar="NAME", help="only those of this pipeline")
    parser.add_argument(
        "--handler", metavar="NAME", help="only those of the handler of this name in its pipeline"
    )
    parser.add_argument(
        "--stream", metavar="ID", type=positive_number, help="only those of the stream of this id"
    )
    add_age_options(parser, "recorded")


def effect_filter(session: StoreSession, state: EffectState | None) -> EffectFilter:
    """The effects that the options mean. Raises `UsageError`."""
    args = session.args
    return EffectFilter(
        state=state,
        pipeline=args.pipeline,
        handler=args.handler,
        stream_id=args.stream,
        **parse_age_bounds(session),
    )


def flat_effect(effect: StoredEffect) -> dict[str, Any]:
    """An effect as it is shown, under the names of `COLUMNS`."""
    return {
        "id": effect.id,
        "effect_id": effect.effect_id,
        "state": effect.state.value,
        "pipeline": effect.endpoint.pipeline,
        "handler": effect.endpoint.handler,
        "place": effect.endpoint.place,
        "stream_id": effect.stream_id,
        "stream_name": effect.stream_name,
        "attempts": effect.attempts,
        "created_at": iso_text(effect.created_at),
        "waiting_since": iso_text(effect.waiting_since),
        "due_at": iso_text(effect.due_at),
        "worker": effect.worker,
        "last_error": effect.last_error,
    }


# ``winchester outbox show``: one effect with its payload.


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
        with StoreSession(parsed_args) as session:
            effect = session.store.get_effect(parsed_args.id)
        show = body_text if parsed_args.raw else masked_body
        return {**flat_effect(effect), "payload": show(effect.payload.encode())}


# ``winchester outbox retry|discard``: sending effects again, and forgetting them.


FILTERS: Final = ("pipeline", "handler", "stream", "older_than", "younger_than")
BLOCKED: Final = "another effect of its stream and handler goes first"


class OutboxRetry(BulkCommand[StoreSession]):
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

    def tool(self, parsed_args: Namespace) -> StoreSession:
        """The store."""
        _check_selection(parsed_args)
        return StoreSession(parsed_args)

    def ids(self, tool: StoreSession, parsed_args: Namespace) -> Iterator[int]:
        """Those that are named, or every dead letter that the filters leave."""
        if not parsed_args.all:
            yield from super().ids(tool, parsed_args)
            return
        wanted = effect_filter(tool, EffectState.DEAD)
        for page in tool.pages(tool.store.find_effects, wanted, None, EFFECT_PAGE_SIZE):
            yield from (effect.id for effect in page)

    def act(
        self, tool: StoreSession, each_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Retry one effect."""
        effect = tool.store.retry_effect(each_id)
        return ("due", None) if effect.due_at is not None else ("waiting", BLOCKED)


class OutboxDiscard(BulkCommand[StoreSession]):
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

    def tool(self, parsed_args: Namespace) -> StoreSession:
        """The store."""
        return StoreSession(parsed_args)

    def act(self, tool: StoreSession, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Discard one effect."""
        tool.store.discard_effect(each_id)
        return "discarded", None


def _check_selection(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless there are either ids or ``--all``, and filters only with that."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("name effects by their ids, or all dead letters by --all")
    given = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if given and not parsed_args.all:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} narrows --all down: it does not go with ids")
