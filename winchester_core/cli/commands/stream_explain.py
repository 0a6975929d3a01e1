"""``winchester stream explain``: why one stream has not fired."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.cli.options import id_argument
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, load_triggers
from winchester_core.inspection.stream_explanation import explain_stream
from winchester_core.triggers.progress_explanation import progress_text

if TYPE_CHECKING:
    from argparse import Namespace


MAX_SHOWN_REASONS = 10
"""Maximum number of reasons for one criterion in a table; JSON and YAML contain all reasons."""


def _criterion_lines(criterion: dict[str, Any]) -> list[str]:
    met = "met" if criterion["met"] else "not met"
    step = "" if criterion["step"] is None else f"step {criterion['step']}: "
    values = (criterion[key] for key in ("has", "needs", "counts", "within"))
    lines = [f"{step}{met}, {progress_text(*values)}: {criterion['criterion']}"]
    for each in criterion["not_counted"][:MAX_SHOWN_REASONS]:
        events = "event does" if each["events"] == 1 else "events do"
        lines.append(f"  {each['events']} {events} not count: {each['reason']}")
    omitted = len(criterion["not_counted"]) - MAX_SHOWN_REASONS
    return [*lines, f"  and {omitted} more (-f json)"] if omitted > 0 else lines


class StreamExplain(ObjectShow):
    """Explain why a stream has not fired.

    Shows the reasons, the decisive one first. Then, for each fire criterion in the current
    definition of the trigger, shows how many events the stream has and needs, and why its other
    events do not count (events of a matching type first). If the times of the events matter, has is
    the number of events in the time window at the current stream time, and counts_until the time
    after which the oldest of them counts no more. not_counted lists the events that count for no
    criterion. cancelled_by is the event that cancelled the stream, or only those of its events that
    were not newer; waiting are the events that wait because of lateness; silence is the current
    silence of its group because of suppress. others_of_group lists the other streams with the same
    distinguishing traits. Nothing is changed, and no traits of events are shown.
    """

    examples = (
        "winchester stream explain -c winchester.yaml 12",
        "winchester stream explain -c winchester.yaml 12 -f json",
    )
    arguments = (id_argument("stream"),)
    lines = {
        "reasons": iter,
        "fire_criteria": lambda criteria: chain.from_iterable(map(_criterion_lines, criteria)),
        "not_counted": lambda ignored: (
            f"{each['events']} (first {each['first']}): {each['reason']}" for each in ignored
        ),
        "others_of_group": lambda others: (f"{each['id']} ({each['state']})" for each in others),
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the explanation. Raises `UnknownStream`."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            return explain_stream(
                session.store,
                load_triggers(session.settings),
                parsed_args.id,
                session.stream_time(),
            )
