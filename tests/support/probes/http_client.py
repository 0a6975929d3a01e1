"""HTTP client for tests with very many connections, one per request."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """Response of a server: status, headers in lower case, and the JSON."""

    status: int
    headers: Mapping[str, str]
    document: Any


async def post(port: int, path: str, document: Any, headers: Mapping[str, str]) -> Reply:
    """Post JSON to this machine. Raises `OSError` or `EOFError` without a response."""
    body = json.dumps(document).encode()
    sent = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        pairs = (line.partition(":") for line in lines if line)
        received = {name.lower(): value.strip() for name, _, value in pairs}
        answer = await reader.readexactly(int(received["content-length"]))
    finally:
        writer.close()
    return Reply(int(status.split()[1]), received, json.loads(answer))
