"""Content of an AMQP message: its body as JSON in UTF-8, or the reason why it cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from winchester_core.sources.compression import FORMATS, decompress
from winchester_core.sources.content import declared_charset, to_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a decompressed body."""

UNENCODED: Final = frozenset(("", "identity", "binary", "7bit", "8bit", "ascii-8bit"))
"""Values of `content_encoding` that contain no information."""

COMPRESSION_HEADERS: Final = {"application/x-gzip": "deflate", "application/x-bz2": "bzip2"}
"""Formats by the header `compression`, as kombu and oslo.messaging set it."""


class Content(NamedTuple):
    """Body (JSON in UTF-8) and headers. If there is a `fault`, the body is as received."""

    body: bytes
    headers: Mapping[str, Any]
    fault: str | None = None


def read_content(message: Any) -> Content:
    """Return the content of a message of py-amqp. Never raises."""
    body: bytes = b""
    headers: Mapping[str, Any] = {}
    try:
        # a body is text if it is empty or if the channel has decoded it by its encoding
        is_decoded = isinstance(message.body, str)
        body = message.body.encode("utf-8", "surrogatepass") if is_decoded else bytes(message.body)
        headers = message.properties.get("application_headers") or {}
        fault = getattr(message, "fault", None)
        if fault is None:
            return Content(_decode(body, message.properties, is_decoded=is_decoded), headers)
    except ValueError as error:
        fault = f"the body {error}"
    except Exception as error:  # noqa: BLE001 - costs this message, not the connection
        fault = f"cannot be read: {type(error).__name__}"
    return Content(body, headers, fault)


def _decode(body: bytes, properties: Mapping[str, Any], *, is_decoded: bool) -> bytes:
    """Decompress the body and convert it to UTF-8. Raises `ValueError`.

    `content_encoding` is a compression (as in MIME) or a charset (as set by kombu and its users).
    """
    if not properties:
        return body
    compression = (properties.get("application_headers") or {}).get("compression")
    if compression is not None:
        known = COMPRESSION_HEADERS.get(str(compression))
        if known is None:
            raise ValueError(f"has an unknown compression: {str(compression)[:40]!r}")
        body = decompress(body, known, MAX_BODY_BYTES)
    encoding = (properties.get("content_encoding") or "").lower()
    if encoding in FORMATS:
        body = decompress(body, encoding, MAX_BODY_BYTES)
    elif encoding not in UNENCODED:
        return body if is_decoded else to_utf8(body, encoding)
    return to_utf8(body, declared_charset(properties.get("content_type") or ""))
