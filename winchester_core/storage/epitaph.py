"""What is recorded of an effect that is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from winchester_core.model.effect import Endpoint


def given_up(
    endpoint: Endpoint,
    max_age: timedelta,
    *,
    attempts: int,
    is_front: bool,
    last_error: str | None,
) -> str:
    """Why an effect became a dead letter at its age, in a sentence."""
    if last_error is not None:
        cause = f"attempts {attempts}, the last of them: {last_error}"
    elif attempts:
        cause = f"attempts {attempts}, of none of which a worker told the end"
    elif is_front:
        cause = f"no worker has had {endpoint} in its configuration"
    else:
        cause = "another effect of the same stream and handler, put before it, was not delivered"
    return f"given up after {max_age}: {cause}"
