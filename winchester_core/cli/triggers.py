"""``winchester trigger list|show``: the triggers as they are configured, and their streams."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import WrongUsage
from winchester_core.cli.moments import plain
from winchester_core.cli.options import load
from winchester_core.cli.output import (
    FlatLister,
    ObjectShow,
    known_columns,
    lines,
    one_line,
    value_of,
)
from winchester_core.cli.stream_show import ALL_BUT_TRIGGERS
from winchester_core.errors import StorageError
from winchester_core.model.stream import StreamState
from winchester_core.spelling import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.triggers.definition import TriggerDefinition

COLUMNS: Final = (
    "name",
    "distinguished_by",
    "expiration",
    "fire_pipeline",
    "expire_pipeline",
    "streams",
)
DEFAULTS: Final = {
    "fire_delay": 0,
    "fire_pipeline": None,
    "expire_pipeline": None,
    "debug_level": 0,
}
IN_WORDS: Final = {"match_criteria": "matches", "fire_criteria": "fires_on"}


class TriggerList(FlatLister):
    """List the triggers that are configured.

    In the order of their file, each with what distinguishes its streams, when they expire, its
    pipelines, and how many streams it has in each state. Without a database, or one that does not
    answer, the streams are left out, and a warning says why.
    """

    examples = (
        "winchester trigger list -c winchester.yaml",
        "winchester trigger list -c winchester.yaml -f json",
    )

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """Each trigger."""
        columns = known_columns(parsed_args.columns, COLUMNS) or COLUMNS
        settings = load(parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS)
        counts = _stream_counts(settings)
        triggers = []
        for config in settings.trigger_definitions:
            complete = {**DEFAULTS, **plain(config)}
            shown = {name: complete[name] for name in COLUMNS if name in complete}
            triggers.append({**shown, "streams": _streams(counts, config["name"])})
        _tell_of_others(settings, counts)
        return columns, triggers

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of streams, their numbers in words."""
        value = value_of(each, column)
        return _states_in_words(value) if isinstance(value, dict) else one_line(value)


class TriggerShow(ObjectShow):
    """Show one trigger as it is configured.

    With its defaults filled in, its criteria also in words (matches, fires_on), and how many
    streams it has in each state.
    """

    examples = (
        "winchester trigger show -c winchester.yaml usage",
        "winchester trigger show -c winchester.yaml usage -f yaml",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the trigger's name")
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The trigger. Raises `WrongUsage` for an unknown one."""
        settings = load(parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS)
        configs = {config["name"]: config for config in settings.trigger_definitions}
        if parsed_args.name not in configs:
            hint = suggestion(parsed_args.name, configs, "there are")
            raise WrongUsage(f"no trigger is named {parsed_args.name!r}; {hint}")
        definition = _compiled(settings, parsed_args.name)
        return {
            **plain(configs[parsed_args.name]),
            **{
                key: value
                for key, value in DEFAULTS.items()
                if key not in configs[parsed_args.name]
            },
            **{
                words: [criterion.describe() for criterion in getattr(definition, key)]
                for key, words in IN_WORDS.items()
            },
            "streams": _streams(_stream_counts(settings), parsed_args.name),
        }

    def cell(self, name: str, value: Any) -> Any:
        """A value; of criteria, a line for each."""
        if name in (*IN_WORDS, *IN_WORDS.values()):
            return lines(value)
        if name == "streams" and value is not None:
            return _states_in_words(value)
        return super().cell(name, value)


def _compiled(settings: Settings, name: str) -> TriggerDefinition:
    from winchester_core.bootstrap import trigger_definitions
    from winchester_core.plugins import CONDITIONS, Registry

    definitions = trigger_definitions(settings, Registry(CONDITIONS))
    return next(each for each in definitions if each.name == name)


def _stream_counts(settings: Settings) -> dict[str, dict[StreamState, int]] | None:
    """How many streams each trigger has; None, with a warning, when the database cannot tell."""
    from winchester_core.bootstrap import open_store

    try:
        with closing(open_store(settings)) as store:
            return store.count_states_by_trigger()
    except StorageError as error:
        reason = str(error).replace("-c FILE", f"-c {settings.name}")
        print(f"winchester: streams are not counted: {reason}", file=sys.stderr)
        return None


def _streams(
    counts: Mapping[str, Mapping[StreamState, int]] | None, name: str
) -> dict[str, int] | None:
    """The numbers of a trigger's streams, in the order of a stream's life."""
    if counts is None:
        return None
    states = counts.get(name, {})
    return {state.value: states[state] for state in StreamState if state in states}


def _states_in_words(states: Mapping[str, int]) -> str:
    return ", ".join(f"{state} {number}" for state, number in states.items()) or "none"


def _tell_of_others(
    settings: Settings, counts: Mapping[str, Mapping[StreamState, int]] | None
) -> None:
    """Warn of streams whose trigger is gone: they run out on their own."""
    configured = {config["name"] for config in settings.trigger_definitions}
    for name in sorted(set(counts or ()) - configured):
        states = _states_in_words(_streams(counts, name) or {})
        print(
            f"winchester: streams of a trigger {name!r} that is not configured: {states}",
            file=sys.stderr,
        )
