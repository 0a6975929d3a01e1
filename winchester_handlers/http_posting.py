"""Posting over HTTP, for the handlers that do."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

MAX_RESPONSE_BYTES = 65_536
"""Read of an answer's body, so that the connection can be used again; a longer one is cut off."""


def silent_below_warning(record: logging.LogRecord) -> bool:
    """A filter for httpx' own log, where every URL stands, with the passwords and tokens in it."""
    return record.levelno >= logging.WARNING


def open_client(timeout_seconds: float, context: ssl.SSLContext | None = None) -> httpx.Client:
    """A client that follows no redirect, and trusts the usual authorities unless told otherwise."""
    logging.getLogger("httpx").addFilter(silent_below_warning)
    return httpx.Client(
        timeout=timeout_seconds,
        verify=context or default_context(),
        follow_redirects=False,
        headers={"User-Agent": "winchester"},
    )


def post(
    client: httpx.Client, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, httpx.Headers]:
    """Return status and headers of the answer. Raises `httpx.TransportError` when none came."""
    with client.stream("POST", url, content=body, headers=dict(headers)) as response:
        try:
            _read_response(response)
        except httpx.TransportError:
            logging.getLogger(__name__).debug("an answer ended early; its status stands")
        return response.status_code, response.headers


def _read_response(response: httpx.Response) -> None:
    read = 0
    for chunk in response.iter_raw():
        read += len(chunk)
        if read > MAX_RESPONSE_BYTES:
            break


@cache  # reading the authorities takes longer than a request
def default_context() -> ssl.SSLContext:
    """The authorities that httpx trusts."""
    return httpx.create_ssl_context()
