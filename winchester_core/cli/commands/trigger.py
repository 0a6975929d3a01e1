"""``winchester trigger list|show|reset``: configured triggers, their streams and debug counts."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.cli.options import Argument, load_configuration
from winchester_core.cli.output import FlatLister, ObjectShow, column_key, one_line
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, find_trigger
from winchester_core.errors import StorageError
from winchester_core.inspection.triggers import (
    DEFAULTS,
    DESCRIBED_CRITERIA,
    describe_trigger,
    options_of,
)
from winchester_core.inspection.values import to_json_value
from winchester_core.model.stream import StreamState
from winchester_core.service.exit import FAILED

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

    from winchester_core.config import Settings
    from winchester_core.storage.records import DebugRecord


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _debug_lines(debug: Mapping[str, Any]) -> Iterator[str]:
    yield f"matched {debug['matched']}, mismatched {debug['mismatched']}"
    for reason, count in debug["reasons"].items():
        yield f"  {count} because {reason}"
    yield f"since {debug['since']}, last counted {debug['counted_at']}"


class TriggerList(FlatLister):
    """List the configured triggers.

    The triggers are listed in the order of their file. The columns are the name, the distinguishing
    traits, the expiration, the pipelines, the options that differ from their defaults (fire_order,
    fire_within, keep, lateness, suppress, timezone, fire_delay, cancel_pipeline), the number of
    streams in each state, and, if the trigger has or had a debug_level, the numbers of events that
    matched and that did not match. If the database is unavailable, the counts are empty, and a
    warning gives the reason.
    """

    examples = (
        "winchester trigger list -c winchester.yaml",
        "winchester trigger list -c winchester.yaml -f json",
    )

    columns = "name distinguished_by expiration fire_pipeline expire_pipeline options streams debug"

    def objects(self, parsed_args: Namespace) -> list[dict[str, Any]]:
        """Return the triggers with their counts; warn of streams without a trigger."""
        settings = load_configuration(
            parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS
        )
        counts = _count(settings)
        triggers = []
        for config in settings.trigger_definitions:
            complete = {**DEFAULTS, **to_json_value(config)}
            shown = {name: complete[name] for name in self.columns.split() if name in complete}
            options = options_of(to_json_value(config))
            triggers.append({**shown, "options": options, **counts.of(config["name"])})
        configured = {config["name"] for config in settings.trigger_definitions}
        for name in sorted(set(counts.streams or ()) - configured):
            states = _counts_text(counts.streams_of(name))
            unknown = f"streams of a trigger {name!r} that is not configured: {states}"
            print(f"winchester: {unknown}", file=sys.stderr)
        return triggers

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; counts on one line."""
        value = self.value(each, column)
        if column_key(column) == "debug" and value is not None:
            value = {key: value[key] for key in ("matched", "mismatched")}
        return _counts_text(value) if isinstance(value, dict) else one_line(value)


class TriggerShow(ObjectShow):
    """Show one configured trigger.

    Shows the definition with all defaults, the criteria also as text (matches, fires_on,
    is_cancelled_by), and the number of streams in each state. If the trigger has or had a
    debug_level, also shows its debug counts: how many events of its event types matched and did not
    match, with level 2 the reasons, the start of counting, and the time of the last update.
    'winchester trigger reset' deletes the debug counts.
    """

    examples = (
        "winchester trigger show -c winchester.yaml usage",
        "winchester trigger show -c winchester.yaml usage -f yaml",
    )
    arguments = (Argument("name NAME", "the trigger's name"),)
    lines = {
        **dict.fromkeys((*DESCRIBED_CRITERIA, *DESCRIBED_CRITERIA.values()), iter),
        "streams": lambda counts: [_counts_text(counts)],
        "debug": _debug_lines,
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the trigger. Raises `UsageError` for an unknown one."""
        settings = load_configuration(
            parsed_args, needs=("database", "triggers"), ignores=ALL_BUT_TRIGGERS
        )
        definition = find_trigger(settings, parsed_args.name)
        configs = {config["name"]: config for config in settings.trigger_definitions}
        config = configs[definition.name]
        return {**describe_trigger(config, definition), **_count(settings).of(definition.name)}


class _TriggerCounts(NamedTuple):
    """Counts of streams and debug counts by trigger; None if the database is unavailable."""

    streams: Mapping[str, Mapping[StreamState, int]] | None
    debug: Mapping[str, DebugRecord] | None

    def of(self, name: str) -> dict[str, Any]:
        """Return the counts of the trigger `name` in the form of the output."""
        debug = (self.debug or {}).get(name)
        return {
            "streams": None if self.streams is None else self.streams_of(name),
            "debug": None if debug is None else to_json_value(asdict(debug)),
        }

    def streams_of(self, name: str) -> dict[str, int]:
        """Return the number of streams of the trigger `name` by state."""
        states = (self.streams or {}).get(name, {})
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


class TriggerReset(FlatLister):
    """Delete the debug counts of triggers with a debug_level.

    Use it after a change of the trigger: counting starts again with the next event. Streams are not
    affected. The trigger need not exist in the configuration. If a trigger has no counts, the exit
    status is 1.
    """

    examples = ("winchester trigger reset -c winchester.yaml usage",)

    columns = "name outcome"
    arguments = (Argument("names NAME", "the triggers' names", nargs="+"),)

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Reset the counts of each trigger; yield the outcomes."""
        with StoreSession(parsed_args) as session:
            for name in dict.fromkeys(parsed_args.names):
                is_reset = session.store.reset_debug_counts(name)
                self.status = self.status if is_reset else FAILED
                yield {"name": name, "outcome": "reset" if is_reset else "nothing counted"}
