"""Authentication of requests by tokens and signatures.

A signature covers the body as received, before it is decompressed. Comparisons take constant
time, and all secrets are tried. Formats:

- GitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
- GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/
- Sentry: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
- Slack: https://docs.slack.dev/authentication/verifying-requests-from-slack
- Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks
- Stripe: https://docs.stripe.com/webhooks/signature
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class Refusal(StrEnum):
    """Reason why a request is not authenticated; also a value of a metric's label."""

    TOKEN = "token"  # noqa: S105 - the name of a reason
    MISSING = "missing_signature"
    TIMESTAMP = "timestamp"
    SIGNATURE = "signature"


class NotAuthenticated(Exception):  # noqa: N818 - a fact about the request
    """A request is not authenticated, for the reason `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)


class Verifier(Protocol):
    """Verification of the requests of one path. Header names are in lower case."""

    header_names: frozenset[str]
    """Headers with secrets or signatures."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Check what is known before the body is read. Raises `NotAuthenticated`."""

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check the signature of the body. Raises `NotAuthenticated`."""


# --- secrets --------------------------------------------------------------------------------------

MIN_KEY_BYTES: Final = 16
BASE64_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix only


def signing_key(form: str, secret: str) -> bytes:
    """Return the key of a secret: in `standard_webhooks`, text after `whsec_` is base64.

    Raises `ValueError` if the key is not base64 or is shorter than `MIN_KEY_BYTES`.
    """
    if form == "standard_webhooks" and secret.startswith(BASE64_SECRET_PREFIX):
        key = b64decode(secret.removeprefix(BASE64_SECRET_PREFIX), validate=True)
    else:
        key = secret.encode()
    if len(key) < MIN_KEY_BYTES:
        raise ValueError("too short")
    return key


class BearerToken:
    """Verifier of a bearer token (RFC 6750)."""

    header_names = frozenset(("authorization",))

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Compare the token."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        is_valid = hmac.compare_digest(token.strip().encode(), self._token)
        if scheme.lower() != "bearer" or not is_valid:
            raise NotAuthenticated(Refusal.TOKEN)

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Accept any body: the token does not depend on it."""


class SharedToken:
    """Verifier of a token that the sender sends unchanged in a header of its own."""

    def __init__(self, header: str, tokens: Sequence[bytes]) -> None:
        self.header_names = frozenset((header,))
        self._header = header
        self._tokens = tokens

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Compare the token."""
        token = headers.get(self._header)
        if token is None:
            raise NotAuthenticated(Refusal.MISSING)
        if not _any_equal([_to_bytes(token)], self._tokens):
            raise NotAuthenticated(Refusal.SIGNATURE)

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Accept any body: the token does not depend on it."""


# --- HMAC -----------------------------------------------------------------------------------------

DIGESTS: Final = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha1": hashlib.sha1,
}
PLACEHOLDER: Final = re.compile(r"\{(body|timestamp|header:[a-z0-9_-]+)\}")
BODY: Final = "{body}"
TIMESTAMP: Final = "{timestamp}"
HEADER_PREFIX: Final = "header:"


def to_hex(digest: bytes) -> bytes:
    """Return a digest in hexadecimal digits."""
    return digest.hex().encode()


ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"hex": to_hex, "base64": b64encode}

UNIX_TIME: Final = re.compile(r"[0-9]{1,15}")
MIN_MILLISECONDS: Final = 10**11
"""From here on, a time is in milliseconds: as seconds it would be in the year 5138."""


@dataclass(frozen=True, slots=True)
class HmacScheme:
    """Format of a signature by HMAC.

    `header` contains one or more elements, separated by `separator`. Those that begin with `prefix`
    are signatures in this `encoding`. `template` is the signed text. `timestamp_header` contains
    one element that begins with `timestamp_prefix`, followed by the Unix time.
    """

    header: str
    prefix: str = ""
    encoding: str = "hex"
    digest: str = "sha256"
    template: str = BODY
    timestamp_header: str | None = None
    timestamp_prefix: str = ""
    separator: str = ","

    def elements(self, value: str, prefix: str) -> list[str]:
        """Return the elements of a header that begin with `prefix`, without it."""
        stripped = (each.strip() for each in value.split(self.separator))
        return [each.removeprefix(prefix) for each in stripped if each.startswith(prefix)]


SCHEMES: Final[Mapping[str, HmacScheme]] = {
    "github": HmacScheme("x-hub-signature-256", "sha256="),
    "sentry": HmacScheme("sentry-hook-signature"),
    "slack": HmacScheme(
        "x-slack-signature",
        "v0=",
        template="v0:{timestamp}:{body}",
        timestamp_header="x-slack-request-timestamp",
    ),
    "standard_webhooks": HmacScheme(
        "webhook-signature",
        "v1,",
        "base64",
        template="{header:webhook-id}.{timestamp}.{body}",
        timestamp_header="webhook-timestamp",
        separator=" ",
    ),
    "stripe": HmacScheme(
        "stripe-signature",
        "v1=",
        template="{timestamp}.{body}",
        timestamp_header="stripe-signature",
        timestamp_prefix="t=",
    ),
}
"""Schemes by form of signature; the scheme of the form `hmac` is in the configuration."""

HMAC_PARAMETERS: Final = (
    *("header", "prefix", "encoding", "digest", "template"),
    *("timestamp_header", "timestamp_prefix"),
)
"""Fields of `HmacScheme` that are parameters of the form `hmac`."""

DEFAULT_TOLERANCE_SECONDS: Final = 300
GITLAB_HEADER: Final = "x-gitlab-token"
FORMS: Final = ("github", "gitlab", "hmac", "sentry", "slack", "standard_webhooks", "stripe")


class HmacVerifier:
    """Verifier of signatures of one scheme by any of several keys.

    If the scheme has a timestamp, it may differ from `now()` (Unix time) by `tolerance_seconds` in
    either direction.
    """

    def __init__(
        self,
        scheme: HmacScheme,
        keys: Sequence[bytes],
        tolerance_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._scheme = scheme
        self._keys = keys
        self._tolerance_seconds = tolerance_seconds
        self._now = now
        self._encode = ENCODINGS[scheme.encoding]
        self._parts = PLACEHOLDER.split(scheme.template)
        """Texts and names of placeholders by turns, beginning with a text."""
        signed = (name.removeprefix(HEADER_PREFIX) for name in self._parts[1::2] if ":" in name)
        self._required = {scheme.header, *signed}
        if scheme.timestamp_header is not None:
            self._required.add(scheme.timestamp_header)
        self.header_names = frozenset((scheme.header,))

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Check that the headers exist, and the timestamp."""
        if not self._required <= headers.keys() or not self._signatures(headers):
            raise NotAuthenticated(Refusal.MISSING)
        if self._scheme.timestamp_header is not None:
            timestamp = int(self._timestamp(headers))
            seconds = timestamp / 1000 if timestamp >= MIN_MILLISECONDS else timestamp
            if abs(self._now() - seconds) > self._tolerance_seconds:
                raise NotAuthenticated(Refusal.TIMESTAMP)

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Compare the signatures of the request with those by each key."""
        signed = self._signed_parts(headers, body)
        expected = [self._sign(key, signed) for key in self._keys]
        if not _any_equal(self._signatures(headers), expected):
            raise NotAuthenticated(Refusal.SIGNATURE)

    def _signatures(self, headers: Mapping[str, str]) -> list[bytes]:
        found = self._scheme.elements(headers[self._scheme.header], self._scheme.prefix)
        if self._scheme.encoding == "hex":
            found = [each.lower() for each in found]
        return [_to_bytes(each) for each in found if each]

    def _timestamp(self, headers: Mapping[str, str]) -> str:
        """Return the digits of the time. Raises `NotAuthenticated` if there is not exactly one."""
        value = headers[self._scheme.timestamp_header or ""]
        found = self._scheme.elements(value, self._scheme.timestamp_prefix)
        if len(found) != 1 or not UNIX_TIME.fullmatch(found[0]):
            raise NotAuthenticated(Refusal.TIMESTAMP)
        return found[0]

    def _signed_parts(self, headers: Mapping[str, str], body: bytes) -> list[bytes]:
        return [
            self._value(part, headers, body) if index % 2 else part.encode()
            for index, part in enumerate(self._parts)
        ]

    def _value(self, name: str, headers: Mapping[str, str], body: bytes) -> bytes:
        match name:
            case "body":
                return body
            case "timestamp":
                return self._timestamp(headers).encode()
            case _:
                return _to_bytes(headers[name.removeprefix(HEADER_PREFIX)])

    def _sign(self, key: bytes, parts: Iterable[bytes]) -> bytes:
        computed = hmac.new(key, digestmod=DIGESTS[self._scheme.digest])
        for part in parts:
            computed.update(part)
        return self._encode(computed.digest())


def _any_equal(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Compare each with each, in a time that does not depend on which of them are equal."""
    is_equal = False
    for secret in expected:
        for value in given:
            is_equal |= hmac.compare_digest(value, secret)
    return is_equal


def _to_bytes(header: str) -> bytes:
    """Return the bytes of a header's value as received."""
    return header.encode("latin-1")


def make_verifier(signature: Mapping[str, Any], now: Callable[[], float]) -> Verifier:
    """Return the verifier of a valid parameter `signature` (see `webhook_params`)."""
    form, secrets = signature["form"], signature["secrets"]
    secrets = [secrets] if isinstance(secrets, str) else secrets
    keys = [signing_key(form, secret) for secret in secrets]
    if form == "gitlab":
        return SharedToken(GITLAB_HEADER, keys)
    tolerance = signature["tolerance_seconds"]
    seconds = DEFAULT_TOLERANCE_SECONDS if tolerance is None else tolerance
    return HmacVerifier(signature_scheme(signature), keys, seconds, now)


def signature_scheme(signature: Mapping[str, Any]) -> HmacScheme:
    """Return the scheme of a form, or that of the parameters of the form `hmac`."""
    if signature["form"] != "hmac":
        return SCHEMES[signature["form"]]
    given = {name: signature[name] for name in HMAC_PARAMETERS if signature[name] is not None}
    names = ("header", "timestamp_header")
    return HmacScheme(**given | {name: given[name].lower() for name in names if name in given})
