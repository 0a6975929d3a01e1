"""A console on a database, whose API is called in this process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from support.builders.events import claim_all, ready_to_fire
from support.scenes.guarded_console import OPERATOR, TOKENS, bearer
from support.scenes.open_console import OpenConsole
from winchester_core.bootstrap import load_settings
from winchester_core.console.options import ConsoleOptions
from winchester_core.storage.records import Failure, Rejection, StreamVersion

if TYPE_CHECKING:
    from support.probes.asgi_client import Response
    from winchester_core.config import Settings
    from winchester_core.config.console_access import ConsoleToken
    from winchester_core.storage.interface import Store

PREFIX = "/api/v1"
TRIGGER = {
    "name": "vm",
    "distinguished_by": ["instance"],
    "match_criteria": [{"event_type": "vm.*"}],
    "fire_criteria": [{"event_type": "vm.end"}],
    "expiration": "$last + 1h",
    "fire_pipeline": "fire",
    "expire_pipeline": "expire",
}


def database_settings(url: str) -> Settings:
    """Return settings with one trigger, that of the tests of stores."""
    return load_settings(
        {
            "database": {"url": url},
            "clock": "event",
            "trigger_definitions": [TRIGGER],
            "pipeline_config": {"fire": ["logger"], "expire": ["logger"]},
        }
    )


@dataclass
class ApiConsole(OpenConsole):
    """A console with tokens, and requests with the token of an operator."""

    token: ConsoleToken = OPERATOR

    def __post_init__(self) -> None:
        self.open(ConsoleOptions(tokens=TOKENS))

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Response:
        """Send a request to a path below `PREFIX`."""
        headers, content = bearer(self.token), b""
        if body is not None:
            content = json.dumps(body).encode()
            headers.append(("content-type", "application/json"))
        target = f"{PREFIX}/{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        return self.client.request(method, target, headers, content)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a response with status 200."""
        response = self.send("GET", path, **query)
        assert response.status == 200, (path, query, response.text)
        assert response.header("content-type") == "application/json"
        return response.json

    def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON of a response with status 200."""
        response = self.send("POST", path, body)
        assert response.status == 200, (path, body, response.text)
        return response.json

    def problem(self, status: int, method: str, path: str, body: Any = None, **query: Any) -> str:
        """Return the detail of a problem document with this status."""
        response = self.send(method, path, body, **query)
        assert response.status == status, (path, query, response.status, response.text)
        assert response.header("content-type") == "application/problem+json"
        document = response.json
        assert document["status"] == status
        detail: str = document["detail"]
        return detail

    def actions(self) -> list[tuple[str, str, str, int]]:
        """Return name, action, target and number of the recorded actions, oldest first."""
        found = self.store.find_actions()
        assert {each.address for each in found} <= {"127.0.0.1"}
        return [(each.name, each.action, each.target, each.number) for each in found]


def fail_streams(store: Store, *instances: str, error: str = "failed") -> list[StreamVersion]:
    """Create streams in error; return the versions of all streams in error."""
    ready_to_fire(store, *instances)
    for claim in claim_all(store, limit=100_000):
        store.fail(Failure(claim, error, timedelta(0), final=True), max_attempts=5)
    return [StreamVersion(each.id, each.state_serial_no) for each in store.find_streams(limit=9999)]


def reject(store: Store, *bodies: bytes, kind: str = "event", reason: str = "bad") -> list[int]:
    """Store rejected messages; return the ids of all."""
    for body in bodies:
        digest = hashlib.sha256(body).digest()
        store.insert_rejected([Rejection("queue", kind, reason, body, len(body), digest)])
    return [each.id for each in store.find_rejected(limit=9999)]
