"""Parameters of the `webhook` handler, and its TLS context."""

from __future__ import annotations

import re
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from voluptuous import Invalid, Optional, Required

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import CheckedSchema, optional, seconds, tls
from winchester_handlers.event_content import content_parameters
from winchester_handlers.http_posting import http_url
from winchester_handlers.webhook.message import signing_key
from winchester_handlers.webhook.text_params import TEXT_PARAMETERS, check_combination

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
OWN_HEADERS = re.compile(
    r"connection|content-(encoding|length|type)|host|idempotency-key|transfer-encoding"
    r"|webhook-(id|signature|timestamp)|ce-.*",
    re.IGNORECASE,
)


@json_schema(
    type="object",
    propertyNames={"pattern": f"^{HEADER_NAME.pattern}$"},
    additionalProperties={"type": "string", "minLength": 1},
    title="mapping of header names to values",
)
def headers(value: Any) -> dict[str, str]:
    """Validate additional headers. Headers that the handler itself sets are not allowed."""
    if not isinstance(value, dict):
        raise Invalid("expected a mapping of header names to values")
    for name, text in value.items():
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            raise Invalid("expected the name of a header", [name])
        if OWN_HEADERS.fullmatch(name):
            raise Invalid("this header is set by the handler itself", [name])
        if not isinstance(text, str) or not HEADER_VALUE.fullmatch(text):
            raise Invalid("expected ASCII text without leading or trailing spaces", [name])
    return value


@json_schema(type="string", minLength=1)
def secret(value: Any) -> str:
    """Validate the secret of the signature."""
    if isinstance(value, str) and value:
        try:
            signing_key(value)
        except ValueError:
            raise Invalid("expected base64 after whsec_") from None
        return value
    raise Invalid("expected text, the secret shared with the receiver")


WEBHOOK_SCHEMA = CheckedSchema(
    {
        Required("url", description="URL of the requests: `https://` or `http://`"): http_url,
        **content_parameters("request"),
        Optional(
            "headers",
            default=dict,
            description=("additional headers, such as `Authorization`; not stored with an effect"),
        ): headers,
        Optional(
            "secret",
            default=None,
            description=(
                "secret to sign each request by HMAC-SHA256, in the headers `Webhook-Id`, "
                "`Webhook-Timestamp` and `Webhook-Signature` of Standard Webhooks; text after "
                "`whsec_` is decoded as base64, any other text is the key itself"
            ),
        ): optional(secret),
        Optional(
            "timeout",
            default=30,
            description="timeout in seconds, for connecting and then for the whole request",
        ): seconds(maximum=3600, over_minimum=True),
        Optional(
            "tls",
            default=None,
            description="TLS files; certificates are always verified",
        ): tls(),
        **TEXT_PARAMETERS,
    },
    check_combination,
)


def tls_context(options: Mapping[str, Any] | None) -> ssl.SSLContext:
    """Return the TLS context of these files. They are read again after a change.

    Raises `OSError` if a certificate cannot be used.
    """
    paths = [(options or {}).get(name) for name in ("ca_file", "cert_file", "key_file")]
    times = tuple(Path(path).stat().st_mtime_ns for path in paths if path)
    return _create_context(*paths, times)


@lru_cache(maxsize=32)  # loading the default authorities takes longer than a request
def _create_context(
    ca_file: str | None, cert_file: str | None, key_file: str | None, _times: tuple[int, ...]
) -> ssl.SSLContext:
    is_default = ca_file is None
    context = (
        httpx.create_ssl_context() if is_default else ssl.create_default_context(cafile=ca_file)
    )
    if cert_file:
        context.load_cert_chain(cert_file, key_file)
    return context
