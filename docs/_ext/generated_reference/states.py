"""The states of a stream and the changes between them."""

from __future__ import annotations

from typing import Final

from generated_reference.markdown import code, table
from generated_reference.wording import words_for
from winchester_core.model.stream import TRANSITIONS, StreamState, states_including

MEANINGS: Final = {
    StreamState.ACTIVE: "collects events, or waits for the time at which it fires or expires",
    StreamState.FIRING: "claimed by a worker: its events go through the fire pipeline",
    StreamState.EXPIRING: "claimed by a worker: its events go through the expire pipeline",
    StreamState.ERROR: "firing failed for good; waits for an operator",
    StreamState.EXPIRE_ERROR: "expiring failed for good; waits for an operator",
    StreamState.COMPLETED: "done; removed at once under `purge_completed_streams`",
    StreamState.RETRY_FIRE: "to be fired again, once its wait is over",
    StreamState.RETRY_EXPIRE: "to be expired again, once its wait is over",
}


def render_states() -> str:
    """What each state means. Raises `Undescribed` for one whose meaning is not said here."""
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
    """Every change that is allowed, numbered as in the diagram."""
    rows = (
        (str(number), code(before), code(after), cause)
        for number, (before, after, cause) in enumerate(changes(), 1)
    )
    return table(["", "from", "to", "when"], rows)


def changes() -> list[tuple[StreamState, StreamState, str]]:
    """From, to and cause of each change, in the table's order."""
    return [
        (before, after, cause)
        for before, causes in TRANSITIONS.items()
        for after, cause in causes.items()
    ]
