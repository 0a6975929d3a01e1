"""The http source: the parameter `paths`."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.bootstrap import load_settings
from winchester_core.errors import ConfigurationError
from winchester_core.sources.http.params import SCHEMA

SECRET = "a secret of this test"
GITHUB = {"form": "github", "secrets": SECRET}
HMAC = {"form": "hmac", "secrets": [SECRET], "header": "X-Sum"}
TIMED = {**HMAC, "timestamp_header": "x-time", "template": "{timestamp}.{body}"}


def path(**more: Any) -> dict[str, Any]:
    return {"paths": [{"path": "/hooks/a", **more}]}


def test_the_defaults_of_a_path() -> None:
    (found,) = SCHEMA(path(signature=GITHUB))["paths"]
    assert found["signature"]["tolerance_seconds"] is None
    names = ("token", "json_field", "max_body_bytes", "max_decompressed_bytes", "max_items")
    assert [found[name] for name in names] == [None] * 5
    assert (found["mapping"], found["datetime_traits"]) == ([], [])


@pytest.mark.parametrize(
    "signature",
    [
        GITHUB,
        {**GITHUB, "secrets": [SECRET, SECRET]},
        HMAC,
        TIMED,
        {**TIMED, "timestamp_prefix": "t=", "prefix": "v1=", "digest": "sha512"},
        {**TIMED, "tolerance_seconds": 60, "encoding": "base64"},
        {**HMAC, "template": "{header:x-id}{body}"},
        {"form": "standard_webhooks", "secrets": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        {"form": "stripe", "secrets": SECRET, "tolerance_seconds": 86_400},
    ],
)
def test_a_valid_signature(signature: dict[str, Any]) -> None:
    assert SCHEMA(path(signature=signature))["paths"][0]["signature"].items() >= signature.items()


@pytest.mark.parametrize(
    ("signature", "key", "message"),
    [
        ({"form": "odd", "secrets": SECRET}, "form", "value must be one of"),
        ({"form": "github"}, "secrets", "required key"),
        ({**GITHUB, "secrets": []}, "secrets", "length of value"),
        ({**GITHUB, "secrets": ""}, "secrets", "length of value"),
        ({**GITHUB, "secrets": [SECRET, "short"]}, 1, "at least 16 bytes"),
        ({**GITHUB, "secrets": "short"}, "secrets", "at least 16 bytes"),
        (
            {"form": "standard_webhooks", "secrets": "whsec_%%%%"},
            "secrets",
            "in base64 after whsec_",
        ),
        ({"form": "standard_webhooks", "secrets": "whsec_c2hvcnQ="}, "secrets", "16 bytes"),
        ({**GITHUB, "tolerance_seconds": 60}, "tolerance_seconds", "contains no timestamp"),
        ({**HMAC, "tolerance_seconds": 60}, "tolerance_seconds", "contains no timestamp"),
        ({**TIMED, "tolerance_seconds": 0}, "tolerance_seconds", "1 to 86400"),
        ({**GITHUB, "prefix": "x"}, "prefix", "only the form 'hmac'"),
        ({"form": "hmac", "secrets": SECRET}, "header", "needs the name of the header"),
        ({**HMAC, "header": "a b"}, "header", "name of a header"),
        ({**HMAC, "timestamp_header": "x-time"}, "timestamp_header", "must be signed"),
        ({**HMAC, "template": "{timestamp}{body}"}, "template", "needs a timestamp_header"),
        ({**HMAC, "timestamp_prefix": "t="}, "timestamp_prefix", "needs a timestamp_header"),
        ({**HMAC, "template": "{timestamp}"}, "template", "contains {body}"),
        ({**HMAC, "template": "{body}{odd}"}, "template", "braces are allowed only"),
        ({**HMAC, "digest": "md5"}, "digest", "value must be one of"),
    ],
)
def test_an_invalid_signature_is_refused_without_its_secret(
    signature: dict[str, Any], key: str | int, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        SCHEMA(path(signature=signature))
    errors = getattr(refused.value, "errors", [refused.value])
    assert [str(each) for each in errors[0].path][:3] == ["paths", "0", "signature"]
    assert str(errors[0].path[-1]) == str(key)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["hooks", "/", "//a", "/a/", "/a b", "/a?b", "/a%20b", "/é", "", "/v1/events"]
)
def test_an_invalid_or_fixed_path_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        SCHEMA({"paths": [{"path": name}]})


def test_secrets_are_masked_in_settings_and_errors() -> None:
    entry = {"path": "/a", "token": "of-the-path", "signature": {**GITHUB, "secrets": [SECRET]}}
    sources = {"web": {"source": "http", "params": {"paths": [entry]}}}
    settings = load_settings({"event_sources": sources}, needs=[])
    assert SECRET not in repr(settings)
    assert "of-the-path" not in repr(settings)
    entry["signature"] = {**GITHUB, "secrets": ["confidential"]}
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"event_sources": sources}, needs=[])
    (problem,) = refused.value.problems
    assert problem.endswith("signature.secrets[0]: expected a secret of at least 16 bytes")


def test_a_repeated_path_is_refused() -> None:
    with pytest.raises(Invalid, match="this path exists already") as refused:
        SCHEMA({"paths": [{"path": "/a"}, {"path": "/b"}, {"path": "/a"}]})
    assert refused.value.path == ["paths", 2, "path"]


def test_a_public_address_needs_a_token_for_the_other_paths() -> None:
    params = {"host": "0.0.0.0", **path(signature=GITHUB)}
    with pytest.raises(Invalid, match="other hosts can reach this address"):
        SCHEMA(params)
    assert SCHEMA({**params, "token": "abc"})["paths"][0]["token"] is None
