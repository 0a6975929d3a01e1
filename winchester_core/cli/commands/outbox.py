"""``winchester outbox list|show|retry|discard``: effects that have not been delivered."""

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
"""Effects read at a time: each has a payload of up to 4 MiB."""


class OutboxList(PagedLister):
    """List pending effects and dead letters, by id.

    The columns are the id in the outbox, the state (pending or dead), the pipeline and the handler
    that queued the effect and deliver it, the id of its stream, the number of delivery attempts,
    when it was recorded, when it is due, and the last error. Times are the database server's.
    due_at is empty for a dead letter and for an effect that waits for an earlier one of its stream
    and handler; for an effect that a worker is delivering, it is the end of the lease. Further
    columns: effect_id (the id known to the handler and to other systems), place (position among the
    pipeline's handlers of the same name, from 0), stream_name, waiting_since (start of its age) and
    worker. 'winchester outbox show' shows the payload.
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
            help="only effects in this state, one of %(choices)s",
        )
        add_effect_filters(parser)
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """Return the columns and effects. Raises `UsageError` for an unknown column."""
        check_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: StoreSession) -> int:
        """Return the number of effects."""
        return session.store.count_effects(self._filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Yield each effect without its payload."""
        filters, cursor = self._filter(session), parse_id_cursor(session.args.cursor)
        for page in session.pages(session.store.find_effects, filters, cursor, EFFECT_PAGE_SIZE):
            yield from map(flat_effect, page)

    def _filter(self, session: StoreSession) -> EffectFilter:
        state = session.args.state
        return effect_filter(session, EffectState(state) if state else None)


def add_effect_filters(parser: ArgumentParser) -> None:
    """Add the options that select effects."""
    parser.add_argument("--pipeline", metavar="NAME", help="only effects of this pipeline")
    parser.add_argument(
        "--handler", metavar="NAME", help="only effects of handlers with this name in a pipeline"
    )
    parser.add_argument(
        "--stream",
        metavar="ID",
        type=positive_number,
        help="only effects of the stream with this id",
    )
    add_age_options(parser, "recorded")


def effect_filter(session: StoreSession, state: EffectState | None) -> EffectFilter:
    """Return the filter that the options give. Raises `UsageError`."""
    args = session.args
    return EffectFilter(
        state=state,
        pipeline=args.pipeline,
        handler=args.handler,
        stream_id=args.stream,
        **parse_age_bounds(session),
    )


def flat_effect(effect: StoredEffect) -> dict[str, Any]:
    """Return an effect as a flat object with the keys in `COLUMNS`."""
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


class OutboxShow(DocumentShow):
    """Show one effect that has not been delivered, with its payload.

    The values of keys like *token*, *password* and *secret* are masked; --raw shows the payload as
    the stored text. A datetime in it is an object: {"datetime": "..."}.
    """

    examples = (
        "winchester outbox show -c winchester.yaml 7",
        "winchester outbox show -c winchester.yaml 7 --raw -f json",
    )
    document_key = "payload"

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--raw``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the effect's id")
        parser.add_argument(
            "--raw", action="store_true", help="show the payload as text, with its secrets"
        )
        return parser

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the effect. Raises `UnknownEffect`."""
        with StoreSession(parsed_args) as session:
            effect = session.store.get_effect(parsed_args.id)
        render = body_text if parsed_args.raw else masked_body
        return {**flat_effect(effect), "payload": render(effect.payload.encode())}


FILTERS: Final = ("pipeline", "handler", "stream", "older_than", "younger_than")
BLOCKED: Final = "another effect of its stream and handler goes first"


class OutboxRetry(BulkCommand[StoreSession]):
    """Make effects due for delivery now.

    A dead letter becomes pending again, as if newly recorded: its attempts and its age start over,
    and it keeps its effect_id. A pending effect does not wait for its next attempt. The outcome is
    due, or waiting if another effect of its stream and handler goes first. An effect that a worker
    is delivering is not changed; the exit status is then 1.

    --all selects every dead letter, or those that match the filters.
    """

    examples = (
        "winchester outbox retry -c winchester.yaml 7 8",
        "winchester outbox retry -c winchester.yaml --all --handler mail --younger-than 12h",
    )
    item_label = "the effects"
    ids_optional = True

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--all`` and the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--all", action="store_true", help="every dead letter, instead of ids")
        add_effect_filters(parser)
        return parser

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session of the store."""
        _check_selection(parsed_args)
        return StoreSession(parsed_args)

    def ids(self, resource: StoreSession, parsed_args: Namespace) -> Iterator[int]:
        """Yield the given ids, or with ``--all`` those of the dead letters that match."""
        if not parsed_args.all:
            yield from super().ids(resource, parsed_args)
            return
        filters = effect_filter(resource, EffectState.DEAD)
        for page in resource.pages(resource.store.find_effects, filters, None, EFFECT_PAGE_SIZE):
            yield from (effect.id for effect in page)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Retry one effect."""
        effect = resource.store.retry_effect(item_id)
        return ("due", None) if effect.due_at is not None else ("waiting", BLOCKED)


class OutboxDiscard(BulkCommand[StoreSession]):
    """Delete effects without delivering them.

    Dead letters and pending effects are deleted permanently. An effect that a worker is delivering
    is not changed; the exit status is then 1.
    """

    examples = (
        "winchester outbox discard -c winchester.yaml 7 8",
        (
            "winchester outbox list -c winchester.yaml --state dead --older-than 30d -f value "
            "--column id | xargs winchester outbox discard -c winchester.yaml"
        ),
    )
    item_label = "the effects"

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session of the store."""
        return StoreSession(parsed_args)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, None]:
        """Discard one effect."""
        resource.store.discard_effect(item_id)
        return "discarded", None


def _check_selection(parsed_args: Namespace) -> None:
    """Raise `UsageError` unless either ids or ``--all`` are given, and filters only with it."""
    if bool(parsed_args.ids) == parsed_args.all:
        raise UsageError("specify the ids of effects, or --all for all dead letters")
    filters = [name for name in FILTERS if getattr(parsed_args, name) is not None]
    if filters and not parsed_args.all:
        option = filters[0].replace("_", "-")
        raise UsageError(f"--{option} is a filter for --all: it cannot be used with ids")
