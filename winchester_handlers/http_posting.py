"""HTTP POST requests for handlers: client, request and redaction of the client's log."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

MAX_RESPONSE_BYTES = 65_536
"""Bytes read of a response body, so that the connection can be reused; the rest is not read."""


def silent_below_warning(record: logging.LogRecord) -> bool:
    """Filter httpx's log, which shows URLs with their passwords and tokens below WARNING."""
    return record.levelno >= logging.WARNING


def open_client(timeout_seconds: float, context: ssl.SSLContext | None = None) -> httpx.Client:
    """Return a client that follows no redirects and uses `context` or the default authorities."""
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
    """Return status and headers of the response. Raises `httpx.TransportError` without one."""
    with client.stream("POST", url, content=body, headers=dict(headers)) as response:
        try:
            _read_response(response)
        except httpx.TransportError:
            logging.getLogger(__name__).debug("response body incomplete, status used")
        return response.status_code, response.headers


def _read_response(response: httpx.Response) -> None:
    bytes_read = 0
    for chunk in response.iter_raw():
        bytes_read += len(chunk)
        if bytes_read > MAX_RESPONSE_BYTES:
            break


@cache  # loading the authorities takes longer than a request
def default_context() -> ssl.SSLContext:
    """Return a TLS context with the certificate authorities that httpx trusts."""
    return httpx.create_ssl_context()
