"""``winchester trigger list|show|reset``: configured triggers, their streams and debug counts."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import (
    FlatLister,
    ObjectShow,
    check_columns,
    column_key,
    join_lines,
    one_line,
)
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, find_trigger
from winchester_core.cli.values import to_json_value
from winchester_core.errors import StorageError
from winchester_core.model.stream import StreamState
from winchester_core.service.exit import DONE, FAILED

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.storage.records import DebugRecord


COLUMNS: Final = (
    "name",
    "distinguished_by",
    "expiration",
    "fire_pipeline",
    "expire_pipeline",
    "streams",
    "debug",
)
DEFAULTS: Final = {
    "fire_delay": 0,
    "fire_pipeline": None,
    "expire_pipeline": None,
    "debug_level": 0,
}
DESCRIBED_CRITERIA: Final = {"match_criteria": "matches", "fire_criteria": "fires_on"}


class TriggerList(FlatLister):
    """List the configured triggers.

    In the order of their file. The columns are the name, the distinguishing traits, the
    expiration, the pipelines, the number of streams in each state, and, if the trigger has or had
    a debug_level, how many events matched and did not. If the database is
    unavailable, the counts are empty, and a warning gives the reason.
    """

    examples = (
        "winchester trigger list -c winchester.yaml",
        "winchester trigger list -c winchester.yaml -f json",
    )

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """Return the columns and the triggers."""
        columns = check_columns(parsed_args.columns, COLUMNS) or COLUMNS
        settings = load_configuration(
            parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS
        )
        counts = _count(settings)
        triggers = []
        for config in settings.trigger_definitions:
            complete = {**DEFAULTS, **to_json_value(config)}
            shown = {name: complete[name] for name in COLUMNS if name in complete}
            triggers.append({**shown, **counts.of(config["name"])})
        _warn_of_unconfigured(settings, counts)
        return columns, triggers

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; counts on one line."""
        value = self.value(each, column)
        if column_key(column) == "debug" and value is not None:
            value = {key: value[key] for key in ("matched", "mismatched")}
        return _counts_text(value) if isinstance(value, dict) else one_line(value)


class TriggerShow(ObjectShow):
    """Show one configured trigger.

    With its defaults filled in, its criteria also as text (matches, fires_on), the number of
    streams in each state, and its debug counts if it has or had a debug_level: how many events of
    its event types matched and did not, at level 2 why they did not, since when, and when they were
    last updated. 'winchester trigger reset' deletes the debug counts.
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

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the trigger. Raises `UsageError` for an unknown one."""
        settings = load_configuration(
            parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS
        )
        definition = find_trigger(settings, parsed_args.name)
        configs = {config["name"]: config for config in settings.trigger_definitions}
        config = configs[definition.name]
        return {
            **to_json_value(config),
            **{key: value for key, value in DEFAULTS.items() if key not in config},
            **{
                described: [criterion.describe() for criterion in getattr(definition, key)]
                for key, described in DESCRIBED_CRITERIA.items()
            },
            **_count(settings).of(definition.name),
        }

    def cell(self, name: str, value: Any) -> Any:
        """Return a value, criteria and debug counts with several lines."""
        if name in (*DESCRIBED_CRITERIA, *DESCRIBED_CRITERIA.values()):
            return join_lines(value)
        if name == "streams" and value is not None:
            return _counts_text(value)
        if name == "debug" and value is not None:
            return join_lines(_debug_lines(value))
        return super().cell(name, value)


@dataclass(frozen=True, slots=True)
class _TriggerCounts:
    """Counts of streams and debug counts by trigger; None if the database is unavailable."""

    streams: Mapping[str, Mapping[StreamState, int]] | None
    debug: Mapping[str, DebugRecord] | None

    def of(self, name: str) -> dict[str, Any]:
        """Return the counts of the trigger `name`, as they are shown."""
        debug = None if self.debug is None else self.debug.get(name)
        return {
            "streams": self.streams_of(name),
            "debug": None if debug is None else to_json_value(asdict(debug)),
        }

    def streams_of(self, name: str) -> dict[str, int] | None:
        """Return the number of streams of the trigger `name` by state; None if unknown."""
        if self.streams is None:
            return None
        states = self.streams.get(name, {})
        return {state.value: states[state] for state in StreamState if state in states}


def _count(settings: Settings) -> _TriggerCounts:
    """Return the counts; print a warning if the database is unavailable."""
    from winchester_core.bootstrap import open_store

    try:
        with closing(open_store(settings)) as store:
            return _TriggerCounts(store.count_states_by_trigger(), store.debug_counts())
    except StorageError as error:
        reason = str(error).replace("-c FILE", f"-c {settings.name}")
        print(f"winchester: streams not counted: {reason}", file=sys.stderr)
        return _TriggerCounts(None, None)


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _debug_lines(debug: Mapping[str, Any]) -> Iterator[str]:
    yield f"matched {debug['matched']}, mismatched {debug['mismatched']}"
    for reason, count in debug["reasons"].items():
        yield f"  {count} because {reason}"
    yield f"since {debug['since']}, last counted {debug['counted_at']}"


def _warn_of_unconfigured(settings: Settings, counts: _TriggerCounts) -> None:
    """Print a warning for streams whose trigger is not configured."""
    configured = {config["name"] for config in settings.trigger_definitions}
    for name in sorted(set(counts.streams or ()) - configured):
        states = _counts_text(counts.streams_of(name) or {})
        print(
            f"winchester: streams of a trigger {name!r} that is not configured: {states}",
            file=sys.stderr,
        )


RESET_COLUMNS: Final = ("name", "outcome")
RESET: Final = "reset"
NOTHING_COUNTED: Final = "nothing counted"


class TriggerReset(FlatLister):
    """Delete the debug counts of triggers with a debug_level.

    Useful after a trigger has changed: counting restarts with the next event. Streams are not
    affected. The trigger need not be configured any more. If a trigger has no counts, the exit
    status is 1.
    """

    examples = ("winchester trigger reset -c winchester.yaml usage",)

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the names."""
        parser = super().get_parser(prog_name)
        parser.add_argument("names", metavar="NAME", nargs="+", help="the triggers' names")
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """Delete the counts; return the exit status."""
        self._status = DONE
        super().run(parsed_args)
        return self._status

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """Reset the counts of each trigger; return the columns and the outcomes."""
        columns = check_columns(parsed_args.columns, RESET_COLUMNS) or RESET_COLUMNS
        outcomes = []
        with StoreSession(parsed_args) as session:
            for name in dict.fromkeys(parsed_args.names):
                is_reset = session.store.reset_debug_counts(name)
                self._status = self._status if is_reset else FAILED
                outcomes.append({"name": name, "outcome": RESET if is_reset else NOTHING_COUNTED})
        return columns, outcomes
