"""Tokens of the identity service, kept for the life of the process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class NotAuthenticated(Exception):  # noqa: N818 - a verdict of the identity service
    """The identity service gives no token; the text says why, without any of its own."""


@dataclass(frozen=True, slots=True)
class Account:
    """As whom to ask for a token, and where."""

    server: str
    user: str
    key: str = field(repr=False)


class Tokens:
    """One token for each account, asked for when it is first needed. Safe between threads."""

    def __init__(self) -> None:
        self._tokens: dict[Account, str] = {}
        self._lock = threading.Lock()

    def token(self, account: Account, client: httpx.Client, refused: str | None = None) -> str:
        """Return the token that is kept, or a new one where that is the one `refused`.

        Raises `NotAuthenticated`, or `httpx.TransportError` when the service does not answer.
        """
        with self._lock:
            kept = self._tokens.get(account)
            if kept is None or kept == refused:
                self._tokens.pop(account, None)
                kept = self._tokens[account] = _new_token(account, client)
            return kept


def _new_token(account: Account, client: httpx.Client) -> str:
    credentials = {"username": account.user, "apiKey": account.key}
    answer = client.post(
        account.server, json={"auth": {"RAX-KSKEY:apiKeyCredentials": credentials}}
    )
    if not answer.is_success:
        raise NotAuthenticated(f"the identity service answers {answer.status_code}")
    try:
        token = answer.json()["access"]["token"]["id"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise NotAuthenticated("the identity service answers without a token (access.token.id)")
    return token
