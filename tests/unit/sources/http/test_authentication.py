"""The http source: tokens and signatures of requests, with published examples."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.sources.http.authentication import (
    BearerToken,
    NotAuthenticated,
    Refusal,
    make_verifier,
)
from winchester_core.sources.http.webhook_params import SIGNATURE
from winchester_handlers.webhook.message import signature_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.sources.http.authentication import Verifier

NOW = 1_700_000_000
SECRET = "a secret of this test"
BODY = b'{"a": "\xc3\xa9"}'


def verifier(form: str, secrets: Any = SECRET, *, now: float = NOW, **more: Any) -> Verifier:
    return make_verifier(SIGNATURE({"form": form, "secrets": secrets, **more}), lambda: now)


def refusal(checked: Verifier, headers: Mapping[str, str], body: bytes = BODY) -> Refusal | None:
    try:
        checked.check_headers(headers)
        checked.check_body(headers, body)
    except NotAuthenticated as error:
        return error.refusal
    return None


def sign(text: bytes, secret: str = SECRET, digest: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, digest).hexdigest()


# --- published examples ---------------------------------------------------------------------------


def test_the_example_of_github() -> None:
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    checked = verifier("github", "It's a Secret to Everybody")
    headers = {"x-hub-signature-256": f"sha256={digest}"}
    assert refusal(checked, headers, b"Hello, World!") is None
    assert refusal(checked, headers, b"Hello, World?") is Refusal.SIGNATURE


def test_the_example_of_slack() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    assert refusal(verifier("slack", secret, now=1531420618), headers, body) is None
    assert refusal(verifier("slack", secret), headers, body) is Refusal.TIMESTAMP


STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"webhook-id": "msg_other"}, Refusal.SIGNATURE),
        ({"webhook-timestamp": "1614265331"}, Refusal.SIGNATURE),
        ({"webhook-signature": "v1,bm8= " + STANDARD["webhook-signature"] + " v1a,x"}, None),
        ({"webhook-signature": "v1,bm8="}, Refusal.SIGNATURE),
        ({"webhook-signature": STANDARD["webhook-signature"].replace("v1", "v2")}, Refusal.MISSING),
        ({"webhook-signature": "v1,"}, Refusal.MISSING),
        ({"webhook-signature": ""}, Refusal.MISSING),
    ],
)
def test_the_example_of_standard_webhooks(
    changed: dict[str, str], expected: Refusal | None
) -> None:
    checked = verifier("standard_webhooks", STANDARD_SECRET, now=1614265330)
    assert refusal(checked, STANDARD | changed, b'{"test": 2432232314}') is expected


@pytest.mark.parametrize("secret", [SECRET, STANDARD_SECRET])
def test_requests_of_the_webhook_handler_are_accepted(secret: str) -> None:
    headers = signature_headers(secret, "id", NOW, BODY)
    named = {name.lower(): value for name, value in headers.items()}
    assert refusal(verifier("standard_webhooks", secret), named) is None


# --- forms ----------------------------------------------------------------------------------------

SIGNED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "github": ({}, {"x-hub-signature-256": "sha256=" + sign(BODY)}),
    "gitlab": ({}, {"x-gitlab-token": SECRET}),
    "sentry": ({}, {"sentry-hook-signature": sign(BODY)}),
    "slack": (
        {},
        {
            "x-slack-signature": "v0=" + sign(b"v0:%d:" % NOW + BODY),
            "x-slack-request-timestamp": str(NOW),
        },
    ),
    "standard_webhooks": (
        {},
        {
            "webhook-id": "1",
            "webhook-timestamp": str(NOW),
            "webhook-signature": "v1,"
            + base64.b64encode(bytes.fromhex(sign(b"1.%d." % NOW + BODY))).decode(),
        },
    ),
    "stripe": (
        {},
        {"stripe-signature": f"t={NOW},v1={'0' * 64},v1={sign(b'%d.' % NOW + BODY)},v0=1"},
    ),
    "hmac": ({"header": "X-Sum", "prefix": "s="}, {"x-sum": "s=" + sign(BODY).upper()}),
    "hmac in base64 with sha512": (
        {"header": "x-sum", "encoding": "base64", "digest": "sha512"},
        {"x-sum": base64.b64encode(bytes.fromhex(sign(BODY, digest="sha512"))).decode()},
    ),
    "hmac with sha1": ({"header": "x-sum", "digest": "sha1"}, {"x-sum": sign(BODY, digest="sha1")}),
    "hmac of several parts": (
        {
            "header": "x-sum",
            "timestamp_header": "X-Time",
            "template": "{header:x-id}|{timestamp}|{body}|end",
        },
        {
            "x-sum": "no, " + sign(b"7|%d000|" % NOW + BODY + b"|end"),
            "x-time": f"{NOW}000",
            "x-id": "7",
        },
    ),
}
TIMED = {
    "slack": "x-slack-request-timestamp",
    "standard_webhooks": "webhook-timestamp",
    "stripe": "stripe-signature",
    "hmac of several parts": "x-time",
}


@pytest.fixture(params=SIGNED)
def form(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make(form: str, secrets: Any = SECRET, **more: Any) -> Verifier:
    return verifier(form.split(maxsplit=1)[0], secrets, **SIGNED[form][0], **more)


def test_a_signed_request_is_accepted_with_any_of_the_secrets(form: str) -> None:
    headers = SIGNED[form][1]
    assert refusal(make(form), headers) is None
    assert refusal(make(form, ["another secret of it", SECRET]), headers) is None
    assert refusal(make(form, [SECRET, "another secret of it"]), headers) is None
    assert refusal(make(form, ["another secret of it"]), headers) is Refusal.SIGNATURE


def test_a_changed_body_is_refused(form: str) -> None:
    expected = None if form == "gitlab" else Refusal.SIGNATURE  # a token signs nothing
    assert refusal(make(form), SIGNED[form][1], BODY + b" ") is expected


def test_each_missing_header_is_refused(form: str) -> None:
    headers = SIGNED[form][1]
    for name in headers:
        rest = {each: value for each, value in headers.items() if each != name}
        assert refusal(make(form), rest) is Refusal.MISSING


@pytest.mark.parametrize("value", ["", "é", "\x00", "=", ",", "v1=", "sha256=é", "v0=é" * 100])
def test_an_odd_signature_is_refused(form: str, value: str) -> None:
    headers = SIGNED[form][1]
    for name in headers:
        if name != "x-id":
            assert refusal(make(form), {**headers, name: value}) is not None


@pytest.mark.parametrize("form", TIMED, indirect=True)
def test_the_timestamp_may_differ_by_the_tolerance_in_both_directions(form: str) -> None:
    headers = SIGNED[form][1]
    for difference, expected in [
        *((-301, Refusal.TIMESTAMP), (-300, None)),
        *((300, None), (301, Refusal.TIMESTAMP)),
    ]:
        assert refusal(make(form, now=NOW + difference), headers) is expected
    assert refusal(make(form, now=NOW + 900, tolerance_seconds=900), headers) is None
    assert refusal(make(form, now=NOW + 20, tolerance_seconds=10), headers) is Refusal.TIMESTAMP


@pytest.mark.parametrize("form", TIMED, indirect=True)
@pytest.mark.parametrize(
    "time", ["", "x", "-1", "1.7e9", "٣", f"{NOW}, t={NOW}", f" {NOW} {NOW}", "9" * 16, f"+{NOW}"]
)
def test_an_odd_timestamp_is_refused(form: str, time: str) -> None:
    headers = dict(SIGNED[form][1])
    name = TIMED[form]
    prefix = f"{headers[name].partition(',')[2]},t=" if form == "stripe" else ""
    headers[name] = prefix + time
    assert refusal(make(form), headers) is Refusal.TIMESTAMP


def test_two_timestamps_of_stripe_are_refused() -> None:
    value = SIGNED["stripe"][1]["stripe-signature"]
    assert refusal(make("stripe"), {"stripe-signature": f"t={NOW},{value}"}) is Refusal.TIMESTAMP


def test_a_secret_of_stripe_is_the_key_itself() -> None:
    secret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0"
    signature = sign(b"%d." % NOW + BODY, secret)
    headers = {"stripe-signature": f"t={NOW},v1={signature}"}
    assert refusal(verifier("stripe", secret), headers) is None


def test_a_secret_is_not_in_the_error_nor_its_cause() -> None:
    with pytest.raises(NotAuthenticated) as caught:
        verifier("gitlab").check_headers({"x-gitlab-token": "x"})
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_all_secrets_and_signatures_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append(given)
        return given == expected

    monkeypatch.setattr("hmac.compare_digest", compare)
    secrets = [SECRET, "another secret of it"]
    assert refusal(verifier("github", secrets), SIGNED["github"][1]) is None
    assert len(compared) == len(secrets)


@pytest.mark.parametrize(
    ("value", "is_accepted"),
    [("Bearer right", True), ("bearer  right ", True), ("Bearer wrong", False), ("right", False)],
)
def test_a_bearer_token(value: str, is_accepted: bool) -> None:
    expected = None if is_accepted else Refusal.TOKEN
    assert refusal(BearerToken("right"), {"authorization": value}) is expected
