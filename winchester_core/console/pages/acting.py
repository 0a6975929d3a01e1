"""Requests of operators: who acts, and whether a page offers actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.console.actions import Operator
from winchester_core.console.identity import client_address, identity_of, require_operator

if TYPE_CHECKING:
    from starlette.requests import Request


def operator_of(request: Request) -> Operator:
    """Return who acts. Raises `HTTPException` with status 403 for a viewer."""
    return Operator(require_operator(request), client_address(request.scope))


def may_act(request: Request) -> bool:
    """Return whether the sender of a request may act."""
    identity = identity_of(request)
    return identity is not None and identity.may_act
