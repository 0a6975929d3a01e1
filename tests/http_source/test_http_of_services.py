"""The http source with the configuration of the page about other services, and their requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml

from support.builders.ready_mappings import samples_of
from support.builders.webhooks import SECRET, github, gitlab, sentry, stripe
from support.probes.page_blocks import DOCS, ROOT, blocks_of
from support.servers.http_source import outcomes

if TYPE_CHECKING:
    from conftest import Serve
    from support.builders.ready_mappings import Sample

PAGE = DOCS / "how-to" / "webhooks-of-services.md"
TOKEN = "a-token-of-the-tests"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def parameters() -> dict[str, Any]:
    """Return the parameters of the source on the page, with the secrets of the tests."""
    block = next(block for block in blocks_of(PAGE, ROOT) if block.language == "yaml")
    params: dict[str, Any] = yaml.safe_load(block.text)["event_sources"]["webhooks"]["params"]
    for path in params["paths"]:
        if "signature" in path:
            path["signature"]["secrets"] = SECRET
    return {"paths": params["paths"], "token": TOKEN}


def authentication(service: str, body: bytes) -> dict[str, str]:
    """Return the headers with which a service authenticates a request."""
    signed = {"github": github, "sentry": sentry, "gitlab": gitlab}
    if service == "stripe":
        return stripe(body, int(time.time()))
    return signed[service](body) if service in signed else BEARER


@pytest.mark.parametrize(
    ("path", "mapping"),
    [
        ("github", "github"),
        ("gitlab", "gitlab"),
        ("stripe", "stripe"),
        ("sentry", "sentry"),
        ("alertmanager", "alertmanager"),
        ("kubernetes", "kubernetes"),
        ("aws", "cloudtrail"),
        ("aws", "eventbridge"),
    ],
)
def test_events_of_a_service_are_stored_once(serve: Serve, path: str, mapping: str) -> None:
    endpoint = serve(**parameters())
    expected = {
        clean.event["message_id"]: clean.event["event_type"]
        for sample in samples_of(mapping)
        for clean in sample.events()
    }

    def send(sample: Sample) -> list[str]:
        body = orjson.dumps(sample.body)
        signed = authentication(path, body)
        headers = {"content-type": "application/json", **sample.headers, **signed}
        response = endpoint.client.post(f"/hooks/{path}", content=body, headers=headers)
        assert response.status_code == 200, response.text
        return outcomes(response)

    for sample in samples_of(mapping):
        send(sample)
    stored = {key: event["event_type"] for key, event in endpoint.stored().items()}
    again = {outcome for sample in samples_of(mapping) for outcome in send(sample)}

    assert stored == expected
    assert again <= {"duplicate", "dropped"}
    assert list(endpoint.store.find_rejected()) == []


@pytest.mark.parametrize("path", ["github", "gitlab", "stripe", "sentry", "aws"])
def test_a_request_without_authentication_is_refused(serve: Serve, path: str) -> None:
    endpoint = serve(**parameters())
    sample = samples_of("eventbridge" if path == "aws" else path)[0]

    response = endpoint.post(f"/hooks/{path}", sample.body, headers=sample.headers)

    assert response.status_code == 401
    assert endpoint.stored() == {}
