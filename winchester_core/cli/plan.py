"""``winchester plan``: what a change of triggers does to the streams that are open."""

from __future__ import annotations

from argparse import Namespace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import UsageError
from winchester_core.cli.moments import iso_text, plain
from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import FlatLister, known_columns, one_line, value_of
from winchester_core.cli.plan_survey import Survey
from winchester_core.cli.session import Session
from winchester_core.cli.stream_show import ALL_BUT_TRIGGERS
from winchester_core.suggestions import suggestion
from winchester_core.triggers.progress import RecalculationEffect

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winchester_core.cli.plan_survey import Affected, Tally

COLUMNS: Final = (
    "trigger",
    "change",
    "open_streams",
    "recounted",
    "fires_at_once",
    "fires_later",
    "expires_at_once",
    "expires_earlier",
    "expires_later",
    "consequences",
)
STREAM_COLUMNS: Final = (
    "id",
    "trigger",
    "distinguished_by",
    "effect",
    "progress",
    "new_progress",
    "fire_timestamp",
    "new_fire_timestamp",
    "expire_timestamp",
    "new_expire_timestamp",
    "consequences",
)


class Plan(FlatLister):
    """Show what a change of triggers does to open streams.

    The configuration of -c is the new one. With --against, it is compared with the one in force,
    and each trigger is listed that was added, removed or changed, with the keys in which it has
    changed. Without, the new triggers are compared with the open streams: whether they were
    counted by the same fire criteria and expiration, and distinguished by the same traits.

    For each such trigger: how many streams are open, and how many of them will be counted anew
    from their events. Of these, how many fire at once, or later since there is a fire_delay; how
    many expire at once; and how many of the others expire earlier or later than they would have.
    Consequences say what becomes of all its open streams besides. With --list, each stream that is
    affected, with its progress and its times before and after.

    Nothing is changed. Streams go on meanwhile, so that the numbers are those of this moment. Times
    are stream time.
    """

    examples = (
        "winchester plan -c winchester.yaml --against old/winchester.yaml",
        "winchester plan -c winchester.yaml -f json",
        "winchester plan -c winchester.yaml --trigger usage --list",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--against``, ``--trigger`` and ``--list``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--against", metavar="FILE", help="the configuration in force, to compare triggers with"
        )
        parser.add_argument(
            "--trigger",
            metavar="NAME",
            action="append",
            default=[],
            help="only this trigger. Repeated: all of them",
        )
        parser.add_argument(
            "--list", action="store_true", help="list each open stream that is affected"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], Iterable[dict[str, Any]]]:
        """The triggers that change, or the streams that are affected."""
        columns = STREAM_COLUMNS if parsed_args.list else COLUMNS
        asked = known_columns(parsed_args.columns, columns)
        objects = self._objects(parsed_args)
        first = list(islice(objects, 1))  # whatever is wrong shows before any output
        return asked or columns, chain(first, objects)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of a change, with the keys that have changed."""
        value = value_of(each, column)
        if column == "change" and each["aspects"]:
            return f"{value} in {', '.join(each['aspects'])}"
        return one_line("; ".join(value) if column == "consequences" else value)

    def _objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        against = None
        if parsed_args.against is not None:
            against = load_configuration(
                Namespace(config=parsed_args.against), ignores=ALL_BUT_TRIGGERS
            )
        with Session(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            survey = Survey(session, against)
            _check_names(parsed_args.trigger, survey.known_names())
            for change in survey.changes(parsed_args.trigger):
                if parsed_args.list:
                    yield from map(_stream_row, survey.affected(change))
                elif (tally := survey.tally(change)) is not None:
                    yield _trigger_row(tally)


def _check_names(asked: Sequence[str], known: set[str]) -> None:
    for name in asked:
        if name not in known:
            hint = suggestion(name, sorted(known), "there are")
            raise UsageError(f"no trigger is named {name!r}; {hint}")


def _trigger_row(tally: Tally) -> dict[str, Any]:
    effects = tally.effects
    return {
        "trigger": tally.change.name,
        "change": tally.change.kind.value,
        "aspects": list(tally.change.changed_keys),
        "open_streams": tally.open_streams,
        "recounted": tally.recounted,
        "fires_at_once": effects[RecalculationEffect.FIRES_AT_ONCE],
        "fires_later": effects[RecalculationEffect.FIRES_LATER],
        "expires_at_once": effects[RecalculationEffect.EXPIRES_AT_ONCE],
        "expires_earlier": effects[RecalculationEffect.EXPIRES_EARLIER],
        "expires_later": effects[RecalculationEffect.EXPIRES_LATER],
        "consequences": list(tally.consequences),
    }


def _stream_row(affected: Affected) -> dict[str, Any]:
    stream, recounting = affected.stream, affected.recounting
    after = recounting.after if recounting is not None else None
    return {
        "id": stream.id,
        "trigger": stream.name,
        "distinguished_by": plain(stream.distinguished_by),
        "effect": recounting.effect.value if recounting is not None else None,
        "progress": list(stream.progress),
        "new_progress": None if after is None else list(after.counts),
        "fire_timestamp": iso_text(stream.fire_timestamp),
        "new_fire_timestamp": None if after is None else iso_text(after.fire_timestamp),
        "expire_timestamp": iso_text(stream.expire_timestamp),
        "new_expire_timestamp": None if after is None else iso_text(after.expire_timestamp),
        "consequences": list(affected.consequences),
    }
