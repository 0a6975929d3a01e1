"""Actions of operators: a record of each change with its operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action of an operator.

    `name` and `role` are those of the operator, `address` is where the request came from. `target`
    describes the object, or the filter of several objects; `number` is how many were changed.
    """

    name: str
    role: str
    address: str
    action: str
    target: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRecord(Action):
    """A stored action; `performed_at` is the database server's time, aware UTC."""

    id: int
    performed_at: datetime
