"""Small invented samples in the shape of Nova's notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.distill import Distiller, DistillResult
from winchester_core.distill.builtin_trait_plugins import (
    BitfieldTraitPlugin,
    MapTraitPlugin,
    SplitTraitPlugin,
    TimedeltaTraitPlugin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture(scope="session")
def trait_plugins() -> dict[str, type]:
    """The built-in trait plugins by entry point name."""
    return {
        "split": SplitTraitPlugin,
        "bitfield": BitfieldTraitPlugin,
        "timedelta": TimedeltaTraitPlugin,
        "map": MapTraitPlugin,
    }


@pytest.fixture
def notification() -> dict[str, Any]:
    """A notification that an instance exists; each test may modify its own."""
    return {
        "message_id": "5f6f5e0c-1111-4222-8333-444455556666",
        "event_type": "compute.instance.exists",
        "timestamp": "2015-06-01 10:30:00.250000",
        "_context_timestamp": "2015-06-01T10:29:59.000001",
        "_context_request_id": "req-1",
        "_context_auth_token": "very-secret",
        "publisher_id": "compute.rack-7.example.org",
        "payload": {
            "instance_id": "instance-1",
            "tenant_id": "tenant-9",
            "memory_mb": 512,
            "launched_at": "2015-05-01 08:00:00",
            "deleted_at": "",
            "image_meta": {"org.example__1__os": "plan9", "base": None},
            "nets": [{"id": "net-a"}, {"id": "net-b"}],
        },
    }


@pytest.fixture
def distill_trait(
    trait_plugins: dict[str, type], notification: dict[str, Any]
) -> Callable[..., DistillResult]:
    """Distill `notification` with a definition that has one trait, `wanted`."""

    def distill(
        setting: Mapping[str, Any], plugins: Mapping[str, type] | None = None, name: str = "wanted"
    ) -> DistillResult:
        definition = {"event_type": "*", "traits": {name: setting}}
        return Distiller([definition], trait_plugins | dict(plugins or {})).distill(notification)

    return distill
