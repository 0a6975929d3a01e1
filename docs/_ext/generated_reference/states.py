"""States of a stream and the transitions between them."""

from __future__ import annotations

from typing import Final

from generated_reference.markdown import code, table
from generated_reference.wording import words_for
from winchester_core.model.stream import TRANSITIONS, StreamState, states_including

MEANINGS: Final = {
    StreamState.ACTIVE: "collects events, or waits for the time to fire or expire",
    StreamState.FIRING: (
        "claimed by a worker: its events pass through the fire pipeline, or through the cancel "
        "pipeline if it is cancelled"
    ),
    StreamState.EXPIRING: "claimed by a worker: its events pass through the expire pipeline",
    StreamState.ERROR: "firing failed permanently; waits for an operator",
    StreamState.EXPIRE_ERROR: "expiring failed permanently; waits for an operator",
    StreamState.COMPLETED: "done; deleted at once under `purge_completed_streams`",
    StreamState.RETRY_FIRE: "waits for the next attempt to fire",
    StreamState.RETRY_EXPIRE: "waits for the next attempt to expire",
}


def render_states() -> str:
    """Render the meaning of each state. Raises `Undescribed` for a state without one."""
    rows = []
    for state in StreamState:
        states = states_including(state)
        rows.append(
            (
                code(state),
                states.reason if states else "",
                words_for(state, MEANINGS, "states.MEANINGS"),
            )
        )
    return table(["state", "reason", "meaning"], rows)


def render_changes() -> str:
    """Render every allowed transition, numbered as in the diagram."""
    rows = (
        (str(number), code(before), code(after), cause)
        for number, (before, after, cause) in enumerate(changes(), 1)
    )
    return table(["", "from", "to", "when"], rows)


def changes() -> list[tuple[StreamState, StreamState, str]]:
    """Return source, target and cause of each transition, in the table's order."""
    return [
        (before, after, cause)
        for before, causes in TRANSITIONS.items()
        for after, cause in causes.items()
    ]
