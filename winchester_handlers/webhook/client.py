"""The HTTP client of the handler."""

from __future__ import annotations

import logging
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ANSWER_BYTES = 65_536
"""Read of an answer's body, so that the connection can be used again; a longer one is cut off."""


def silent_below_warning(record: logging.LogRecord) -> bool:
    """A filter for httpx' own log, where every URL stands, with the tokens in it."""
    return record.levelno >= logging.WARNING


def open_client(params: Mapping[str, Any]) -> httpx.Client:
    """A client with the timeout and the certificates of `params`. It follows no redirect.

    Raises `OSError` when a certificate cannot be used.
    """
    logging.getLogger("httpx").addFilter(silent_below_warning)
    return httpx.Client(
        timeout=params["timeout"],
        verify=_tls_context(params["tls"]),
        follow_redirects=False,
        headers={"User-Agent": "winchester"},
    )


def post(
    client: httpx.Client, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, httpx.Headers]:
    """Return status and headers of the answer. Raises `httpx.TransportError` when none came."""
    with client.stream("POST", url, content=body, headers=dict(headers)) as answer:
        try:
            _read_on(answer)
        except httpx.TransportError:
            logging.getLogger(__name__).debug("an answer ended early; its status stands")
        return answer.status_code, answer.headers


def _read_on(answer: httpx.Response) -> None:
    read = 0
    for chunk in answer.iter_raw():
        read += len(chunk)
        if read > MAX_ANSWER_BYTES:
            break


def _tls_context(tls: Mapping[str, Any]) -> ssl.SSLContext:
    """The context of these files as they are now: one that was replaced is read again."""
    paths = (tls["ca_file"], tls["cert_file"], tls["key_file"])
    times = tuple(Path(path).stat().st_mtime_ns for path in paths if path)
    return _made_context(*paths, times)


@lru_cache(maxsize=32)  # reading the usual authorities takes longer than a request
def _made_context(
    ca_file: str | None, cert_file: str | None, key_file: str | None, _times: tuple[int, ...]
) -> ssl.SSLContext:
    usual = ca_file is None
    context = httpx.create_ssl_context() if usual else ssl.create_default_context(cafile=ca_file)
    if cert_file:
        context.load_cert_chain(cert_file, key_file)
    return context
