"""Fuzz targets: each reads bytes as one input of the system, and raises only for a defect.

An input is used as far as it is valid: criteria are matched, event definitions convert a
notification. An exception that is not ours, or not the documented one, is the defect.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap, load_settings
from winchester_core.errors import (
    ConfigurationError,
    InvalidEvent,
    TimeEvaluationError,
    TimeExpressionError,
)
from winchester_core.ingest.decoding import Decoder, NoDefinition
from winchester_core.model.message import Message, MessageKind
from winchester_core.timex import parse
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS: dict[str, Any] = {"database": {"url": "sqlite://"}}
AT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "message_id": "1",
    "event_type": "compute.instance.exists",
    "timestamp": AT,
    "first": AT,
    "last": AT,
    "launched_at": datetime(1000, 1, 1, tzinfo=UTC),
    "memory_mb": 2048,
    "load": 0.5,
    "state": "active",
    "deleted": False,
}
NOTIFICATION: dict[str, Any] = {
    "message_id": "1",
    "event_type": "compute.instance.exists",
    "publisher_id": "compute.host",
    "timestamp": "2024-02-29 23:59:59.999999",
    "_context_request_id": "req-1",
    "payload": {
        "instance_id": "i-1",
        "memory_mb": "2048",
        "launched_at": "2024-01-31T00:00:00Z",
        "metadata": {"a": [1, "x", None, {"b": 2.5}], "long key": "é"},
        "images": [{"id": 1}, {"id": "two"}],
    },
}
DEFINITIONS: list[dict[str, Any]] = [
    {
        "event_type": "*",
        "traits": {
            "instance_id": {"fields": "payload.instance_id"},
            "memory_mb": {"type": "int", "fields": ["payload.memory_mb", "payload.memory"]},
            "launched_at": {"type": "datetime", "fields": "payload.launched_at"},
            "load": {"type": "float", "fields": "payload.images[*].id"},
            "first": {
                "fields": "payload.instance_id",
                "plugin": {"name": "split", "parameters": {"segment": 1, "separator": "-"}},
            },
        },
    }
]


def time_expression(data: bytes) -> None:
    """Parse and evaluate a time expression."""
    try:
        expression = parse(data.decode("utf-8", "replace"))
        value = expression.evaluate(EVENT)
    except (TimeExpressionError, TimeEvaluationError) as error:
        str(error)
    else:
        assert value.begin <= value.end


def field_path(data: bytes) -> None:
    """Convert a notification with an event definition whose trait has this path."""
    traits = {"found": {"fields": data.decode("utf-8", "replace")}}
    with suppress(ConfigurationError):
        _distil([{"event_type": "*", "traits": traits}])


def configuration(data: bytes) -> None:
    """Load a `winchester.yaml`."""
    with suppress(ConfigurationError):
        repr(load_settings(_written(data)))


def triggers(data: bytes) -> None:
    """Load a `triggers.yaml`, and match an event."""
    with suppress(ConfigurationError):
        settings = load_settings({**SETTINGS, "trigger_definitions": str(_written(data))})
        definitions = bootstrap.trigger_definitions(settings)
        for match in TriggerSet(definitions).match(EVENT):
            assert match.definition in definitions


def event_definitions(data: bytes) -> None:
    """Load an `event_definitions.yaml`, and convert a notification."""
    with suppress(ConfigurationError, InvalidEvent, NoDefinition):
        _distil(str(_written(data)))


def notification(data: bytes) -> None:
    """Convert a notification."""
    _decode(data, MessageKind.NOTIFICATION)


def event(data: bytes) -> None:
    """Read an event."""
    _decode(data, MessageKind.EVENT)


def _decode(data: bytes, kind: MessageKind) -> None:
    message = Message(data, kind)
    DECODER.message_time(message)
    try:
        clean = DECODER.message(message)
    except (InvalidEvent, NoDefinition) as error:
        str(error)
    else:
        assert {"message_id", "event_type", "timestamp"} <= clean.event.keys()


def _distil(definitions: Any) -> None:
    settings = load_settings({**SETTINGS, "distiller_config": definitions})
    Decoder(bootstrap.distiller(settings)).notification(NOTIFICATION)


def _written(data: bytes) -> Path:
    """Write a file, always the same, with this content; return its path."""
    path = Path(FOLDER.name) / "input.yaml"
    path.write_bytes(data)
    return path


FOLDER = tempfile.TemporaryDirectory(prefix="winchester-fuzz-")
atexit.register(FOLDER.cleanup)
DECODER = Decoder(bootstrap.distiller(load_settings({**SETTINGS, "distiller_config": DEFINITIONS})))

TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        time_expression,
        field_path,
        configuration,
        triggers,
        event_definitions,
        notification,
        event,
    )
}

SEEDS: dict[str, list[bytes]] = {
    "time_expression": [b"$last + 1d", b"day($launched_at) + 3h", b"month to $timestamp @ 1h"],
    "field_path": [b"payload.metadata.a[0].b", b"payload.images[?id>1].id", b"payload.'long key'"],
    "configuration": [
        b"database:\n  url: sqlite:///a.db\nclock: event\n",
        b"database: {url: '${DB:-sqlite://}'}\npipeline_config: {a: [logger]}\n",
        b"a: &x [1, *x]\n<<: {b: !!int 3}\n",
    ],
    "triggers": [
        b"""\
- name: t
  distinguished_by: [instance_id, {timestamp: day}]
  match_criteria: [{event_type: 'compute.*', traits: {memory_mb: {int: '> 3'}}}]
  fire_criteria: [{event_type: '*', number: 2}]
  expiration: $last + 1d
  fire_pipeline: p
"""
    ],
    "event_definitions": [
        json.dumps(DEFINITIONS).encode(),
        b"- event_type: [a.*, '!b']\n  traits:\n    x: {fields: payload.x, type: datetime}\n",
    ],
    "notification": [json.dumps(NOTIFICATION).encode()],
    "event": [json.dumps(EVENT, default=datetime.isoformat).encode()],
}
"""Valid inputs of each target, from which a fuzzer starts."""
