"""Schema of the `http` source's parameter `paths`: paths for webhooks, and their signatures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from voluptuous import All, In, Invalid, Match, Optional, Required, Schema

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import (
    BEARER_TOKEN,
    NAME,
    TEXT,
    CheckedSchema,
    expected,
    one_or_more,
    optional,
    whole_number,
)
from winchester_core.sources.http.authentication import (
    BASE64_SECRET_PREFIX,
    BODY,
    DIGESTS,
    ENCODINGS,
    FORMS,
    HMAC_PARAMETERS,
    MIN_KEY_BYTES,
    PLACEHOLDER,
    TIMESTAMP,
    signature_scheme,
    signing_key,
)
from winchester_core.sources.http.paths import FIXED_PATHS
from winchester_core.sources.params import MESSAGE_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

MAX_TOLERANCE_SECONDS = 86_400
HEADER_NAME = expected(
    "the name of a header", All(NAME, Match(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")), error=Invalid
)
PATH = expected(
    "a path such as /hooks/github: segments of letters, digits and . _ ~ -",
    All(NAME, Match(r"(/[A-Za-z0-9._~-]+)+\Z")),
)
BRACES = re.compile(r"[{}]")


@json_schema(type=["string", "null"], pattern=f"^{BEARER_TOKEN.pattern}$")
def bearer_token(value: Any) -> str | None:
    """Validate a bearer token; None is valid."""
    if value is None or (isinstance(value, str) and BEARER_TOKEN.fullmatch(value)):
        return value
    raise Invalid(
        "expected a token of letters, digits and . _ ~ + / -, as from 'openssl rand -hex 32'"
    )


@json_schema(type="string", title="signed text with `{body}`")
def template(value: Any) -> str:
    """Validate the template of the signed text."""
    if not isinstance(value, str) or BODY not in value:
        raise Invalid("expected text that contains {body}")
    if BRACES.search(PLACEHOLDER.sub("", value)):
        raise Invalid(
            "braces are allowed only in {body}, {timestamp} and {header:name} (lower case)"
        )
    return value


def check_signature(signature: Mapping[str, Any]) -> None:
    """Check the parameters against the form, and the length of the secrets."""
    form = signature["form"]
    for name in HMAC_PARAMETERS:
        if form != "hmac" and signature[name] is not None:
            raise Invalid(f"only the form 'hmac' has this parameter, not {form!r}", [name])
    if form == "hmac":
        _check_hmac(signature)
    has_timestamp = form != "gitlab" and signature_scheme(signature).timestamp_header is not None
    if signature["tolerance_seconds"] is not None and not has_timestamp:
        raise Invalid("this signature contains no timestamp", ["tolerance_seconds"])
    secrets = signature["secrets"]
    for index, secret in enumerate([secrets] if isinstance(secrets, str) else secrets):
        try:
            signing_key(form, secret)
        except ValueError:
            path: list[Hashable] = ["secrets", *([index] if isinstance(secrets, list) else [])]
            is_base64 = form == "standard_webhooks" and secret.startswith(BASE64_SECRET_PREFIX)
            where = f", in base64 after {BASE64_SECRET_PREFIX}" if is_base64 else ""
            raise Invalid(
                f"expected a secret of at least {MIN_KEY_BYTES} bytes{where}", path
            ) from None


def _check_hmac(signature: Mapping[str, Any]) -> None:
    if signature["header"] is None:
        raise Invalid("the form 'hmac' needs the name of the header", ["header"])
    has_timestamp = TIMESTAMP in (signature["template"] or BODY)
    if has_timestamp and signature["timestamp_header"] is None:
        raise Invalid("{timestamp} needs a timestamp_header", ["template"])
    if signature["timestamp_header"] is not None and not has_timestamp:
        raise Invalid(
            "the timestamp must be signed: the template must contain {timestamp}",
            ["timestamp_header"],
        )
    if signature["timestamp_prefix"] is not None and signature["timestamp_header"] is None:
        raise Invalid("needs a timestamp_header", ["timestamp_prefix"])


SIGNATURE = CheckedSchema(
    {
        Required(
            "form",
            description="how the service signs; `hmac` for a form that the other parameters "
            "describe",
        ): In(FORMS),
        Required(
            "secrets",
            description="secret of the webhook, or a list of secrets, each of which is accepted: "
            "an old and a new one while the secret is changed. At least 16 bytes",
        ): one_or_more(TEXT),
        Optional(
            "tolerance_seconds",
            default=None,
            description="maximum difference between the signed timestamp and the host's clock, in "
            "both directions (default: 300); only for forms with a timestamp",
        ): optional(whole_number(1, MAX_TOLERANCE_SECONDS)),
        Optional(
            "header", default=None, description="`hmac`: header with the signatures"
        ): optional(HEADER_NAME),
        Optional(
            "prefix",
            default=None,
            description="`hmac`: text before each signature, such as `sha256=` (default: none); "
            "comma-separated elements of the header without it are ignored",
        ): optional(TEXT),
        Optional(
            "encoding", default=None, description="`hmac`: encoding of the digest (default: `hex`)"
        ): optional(In(tuple(ENCODINGS))),
        Optional(
            "digest",
            default=None,
            description="`hmac`: hash function (default: `sha256`); `sha1` only for services that "
            "offer nothing else",
        ): optional(In(tuple(DIGESTS))),
        Optional(
            "template",
            default=None,
            description="`hmac`: signed text, with `{body}`, `{timestamp}`, and `{header:NAME}` "
            "for the value of a header with the name in lower case (default: `{body}`)",
        ): optional(template),
        Optional(
            "timestamp_header",
            default=None,
            description="`hmac`: header with the time of sending, in seconds or milliseconds since "
            "1970 (default: none)",
        ): optional(HEADER_NAME),
        Optional(
            "timestamp_prefix",
            default=None,
            description="`hmac`: text before the time, as `t=` in `t=1700000000,v1=...` (default: "
            "none)",
        ): optional(TEXT),
    },
    check_signature,
)

WEBHOOK_PATH = Schema(
    {
        Required("path", description="path of the URL, such as `/hooks/github`"): PATH,
        Optional(
            "signature",
            default=None,
            description="signature that requests must have (default: none)",
        ): optional(SIGNATURE),
        Optional(
            "token",
            default=None,
            description="token that senders must send as `Authorization: Bearer TOKEN` (default: "
            "the `token` of the source if the path has no `signature`, else none)",
        ): bearer_token,
        Optional(
            "json_field",
            default=None,
            description="field of a form (`application/x-www-form-urlencoded`) whose value is the "
            "body in JSON, such as `payload`; if a form lacks it, or by default, the fields are "
            "the body",
        ): optional(TEXT),
        Optional(
            "max_body_bytes",
            default=None,
            description="maximum size of a body in bytes (default: that of the source)",
        ): optional(whole_number(1)),
        Optional(
            "max_decompressed_bytes",
            default=None,
            description="maximum size of a body when decompressed (default: 16 times "
            "`max_body_bytes`)",
        ): optional(whole_number(1)),
        Optional(
            "max_items",
            default=None,
            description="maximum number of messages in a request, as lines of "
            "`application/x-ndjson` or, without a mapping, elements of an array (default: that of "
            "the source)",
        ): optional(whole_number(1)),
        **MESSAGE_PARAMETERS,
    }
)


def check_paths(params: Mapping[str, Any]) -> None:
    """Check that no path repeats another one, or a fixed path."""
    known = set(FIXED_PATHS)
    for index, entry in enumerate(params["paths"]):
        if entry["path"] in known:
            raise Invalid("this path exists already", ["paths", index, "path"])
        known.add(entry["path"])
