"""Services of Apprise: from a URL, with its own retries, files and plugin folders switched off."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from apprise import Apprise, AppriseAsset, NotifyBase, OverflowMode, PersistentStoreMode
from apprise.manager_plugins import NotificationManager
from apprise.url import URLBase

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")
MASK: Final = "***"
MIN_SECRET_CHARACTERS: Final = 3
"""Shorter parts of a URL are not masked in reasons: they would also match ordinary text."""
MAX_REASON_CHARACTERS: Final = 1000
FILE_PARAMETERS: Final = frozenset({"template", "pgpkey", "keyfile"})
"""Parameters of URLs with which Apprise reads a file or another URL."""


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A service and its addressee, as a URL of Apprise with its secrets. `repr` hides it."""

    url: str

    def __repr__(self) -> str:
        scheme = SCHEME.match(self.url)
        return f"Target('{scheme[1] if scheme else '?'}://{MASK}')"


class InvalidTarget(Exception):  # noqa: N818 - an outcome
    """A URL that Apprise cannot use. The message does not quote it, except for the scheme."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message for people. `kind` is a type of Apprise, and `form` the format of the body."""

    title: str
    body: str
    kind: str
    form: str


def open_service(target: Target, timeout_seconds: float) -> NotifyBase:
    """Return the service of a target, which makes one attempt per message.

    Raises `InvalidTarget`.
    """
    silence_loggers()
    service = _instantiate(target.url)
    given = frozenset(vars(service))  # with the parameters of the URL
    service.retry, service.wait = 0, 0.0
    service.optional = False  # otherwise a failure would count as a success
    service.redirects = False  # another host would receive the secrets
    for name in ("socket_connect_timeout", "socket_read_timeout"):
        if name not in given:
            setattr(service, name, timeout_seconds)
    if "overflow_mode" not in given:
        service.overflow_mode = OverflowMode.TRUNCATE
    return service


def _instantiate(url: str) -> NotifyBase:
    scheme = SCHEME.match(url)
    if scheme is None:
        raise InvalidTarget("expected a URL of Apprise, such as mailto://user:password@host")
    name = scheme[1].lower()
    files = FILE_PARAMETERS & {key.lower() for key, _ in parse_qsl(urlsplit(url).query)}
    if files:
        raise InvalidTarget(f"the parameter {min(files)!r} of the URL is not allowed: reads a file")
    try:
        service = Apprise.instantiate(url, asset=_asset())
    except Exception:  # noqa: BLE001 - the message of Apprise may quote the URL
        service = None
    if isinstance(service, NotifyBase):
        return service
    if name not in NotificationManager():
        raise InvalidTarget(f"Apprise knows no service with the scheme {name!r}")
    raise InvalidTarget(f"Apprise cannot use this URL: for {name}://, a part is missing or invalid")


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id="Winchester",
        app_desc="Winchester",
        async_mode=False,  # in the calling thread
        default_service_retry=0,
        http_redirects=False,
        pem_autogen=False,
        pgp_autogen=False,
        secure_logging=True,
        service_timeout=0,  # the handler has its own
        storage_mode=PersistentStoreMode.MEMORY,
        allow_templates=False,
    )


def send(service: NotifyBase, message: Message) -> str | None:
    """Send a message. Return None, or the reason why the service did not accept it."""
    client = Apprise(asset=service.asset)
    client.add(service)
    with client.notify(
        body=message.body,
        title=message.title,
        notify_type=message.kind,
        body_format=message.form,
        interpret_escapes=False,
    ) as result:
        if result:
            return None
        return "; ".join(entry.message for entry in result.logs()) or "no reason given"


def masked_reason(reason: str, target: Target, service: NotifyBase) -> str:
    """Return a reason in one line, without the parts of the URL that Apprise considers private."""
    text = " ".join(reason.split())
    for secret in sorted(_secrets(target.url, service), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text[:MAX_REASON_CHARACTERS]


def _secrets(url: str, service: NotifyBase) -> Iterable[str]:
    shown = service.url(privacy=True)
    parts = {url, *re.split(r"[/:@?&=#,]+", SCHEME.sub("", url, count=1))}
    return {
        form
        for part in parts
        for form in (part, unquote(part), URLBase.quote(part))
        if len(form) >= MIN_SECRET_CHARACTERS and form not in shown
    }


def silence_loggers() -> None:
    """Keep the records of Apprise and of its HTTP client out of the log.

    They may contain URLs with secrets. The reasons of failures are in the outcomes of deliveries.
    """
    apprise = logging.getLogger("apprise")
    apprise.propagate = apprise.disabled = False  # a logging configuration may disable it
    apprise.setLevel(logging.WARNING)  # what `AppriseResult.logs` contains
    if not apprise.handlers:
        apprise.addHandler(logging.NullHandler())
    logging.getLogger("urllib3.connectionpool").addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> Any:
    return record.levelno >= logging.ERROR
