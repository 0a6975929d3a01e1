"""``winchester outbox list``: effects that have not been delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.ages import add_age_options, read_ages
from winchester_core.cli.listing import ObjectLister, numeric_cursor
from winchester_core.cli.moments import iso_text
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import known_columns
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from winchester_core.cli.session import Session
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
PAGE: Final = 20
"""How many are read at a time: each comes with a payload of up to 4 MiB."""


class OutboxList(ObjectLister):
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
        known_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: Session) -> int:
        """How many there are."""
        return session.store.count_effects(self._filter(session))

    def objects(self, session: Session) -> Iterator[dict[str, Any]]:
        """Each, without its payload."""
        wanted, cursor = self._filter(session), numeric_cursor(session.args.cursor)
        for page in session.pages(session.store.find_effects, wanted, cursor, PAGE):
            yield from map(flat_effect, page)

    def _filter(self, session: Session) -> EffectFilter:
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


def effect_filter(session: Session, state: EffectState | None) -> EffectFilter:
    """The effects that the options mean. Raises `UsageError`."""
    args = session.args
    return EffectFilter(
        state=state,
        pipeline=args.pipeline,
        handler=args.handler,
        stream_id=args.stream,
        **read_ages(session),
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
