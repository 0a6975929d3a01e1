"""The certificates of the handler's `tls` parameter."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping


def tls_context(tls: Mapping[str, Any]) -> ssl.SSLContext:
    """The context of these files as they are now: one that was replaced is read again.

    Raises `OSError` when a certificate cannot be used.
    """
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
