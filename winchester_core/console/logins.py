"""Logins: signed cookies, and the CSRF tokens that belong to them.

A cookie of a login is signed with a key derived from the token with which it was made. So it is
valid in every console with the same tokens, until this token changes.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import orjson
from itsdangerous import BadSignature, Signer

from winchester_core.clock import unix_time_ns
from winchester_core.console.cookies import Cookie

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import Headers

    from winchester_core.config.console_access import ConsoleToken
    from winchester_core.console.options import ConsoleOptions

LOGIN_SECONDS: Final = 12 * 3600
"""Duration of a login."""
RANDOM_BYTES: Final = 18

LOGIN_SALT: Final = b"winchester console: login"
LOGIN_CSRF_SALT: Final = b"winchester console: CSRF token of a login"
VISITOR_SALT: Final = b"winchester console: visitor"
VISITOR_CSRF_SALT: Final = b"winchester console: CSRF token of a visitor"


def unix_time() -> float:
    """Return the host's time in seconds since 1970."""
    return unix_time_ns() / 1e9


@dataclass(frozen=True, slots=True)
class Login:
    """Content of a login's cookie. `expires_at` is in seconds since 1970."""

    name: str
    role: str
    expires_at: int
    id: str


class Logins:
    """Makes and checks the cookies of logins, and of visitors without a login."""

    def __init__(self, options: ConsoleOptions, now: Callable[[], float] = unix_time) -> None:
        self.login_cookie = Cookie("winchester_login", options)
        self.visitor_cookie = Cookie("winchester_visitor", options)
        self._tokens = options.tokens
        self._now = now
        self._signers = {each: _signer(each.token.encode(), LOGIN_SALT) for each in self._tokens}
        self._visitor_key = _visitor_key(self._tokens)
        self._visitor_signer = _signer(self._visitor_key, VISITOR_SALT)

    def log_in(self, token: ConsoleToken) -> str:
        """Return the header `Set-Cookie` of a new login."""
        expires_at = int(self._now()) + LOGIN_SECONDS
        login = Login(token.name, token.role, expires_at, secrets.token_urlsafe(RANDOM_BYTES))
        value = urlsafe_b64encode(orjson.dumps(astuple(login)))
        signed = self._signers[token].sign(value).decode("ascii")
        return self.login_cookie.header(signed, LOGIN_SECONDS)

    def login_of(self, headers: Headers) -> tuple[Login, ConsoleToken] | None:
        """Return the valid login of a request, and its token; None if there is none."""
        for value in self.login_cookie.values(headers):
            for token, signer in self._signers.items():
                login = _read_login(value, signer)
                if login is not None and self._is_valid(login, token):
                    return login, token
        return None

    def login_csrf_token(self, login: Login, token: ConsoleToken) -> str:
        """Return the CSRF token of a login."""
        return _digest(token.token.encode(), LOGIN_CSRF_SALT, login.id)

    def visitor_of(self, headers: Headers) -> str | None:
        """Return the random id in the valid cookie of a visitor without a login."""
        for value in self.visitor_cookie.values(headers):
            visitor = _unsigned(value, self._visitor_signer)
            if visitor is not None:
                return visitor.decode("latin-1")
        return None

    def new_visitor(self) -> tuple[str, str]:
        """Return a new visitor's random id, and the header `Set-Cookie`."""
        visitor = secrets.token_urlsafe(RANDOM_BYTES)
        signed = self._visitor_signer.sign(visitor).decode("ascii")
        return visitor, self.visitor_cookie.header(signed)

    def visitor_csrf_token(self, visitor: str) -> str:
        """Return the CSRF token of a visitor without a login."""
        return _digest(self._visitor_key, VISITOR_CSRF_SALT, visitor)

    def _is_valid(self, login: Login, token: ConsoleToken) -> bool:
        """Return whether a login has not expired, and the token still has its name and role."""
        is_current = (login.name, login.role) == (token.name, token.role)
        return is_current and self._now() < login.expires_at


def _visitor_key(tokens: tuple[ConsoleToken, ...]) -> bytes:
    """Return the key of visitors: of all tokens, for several consoles; otherwise a random one."""
    if not tokens:
        return secrets.token_bytes(32)
    return sha256("\n".join(sorted(each.token for each in tokens)).encode()).digest()


def _signer(key: bytes, salt: bytes) -> Signer:
    return Signer(key, salt=salt, key_derivation="hmac", digest_method=sha256)


def _unsigned(value: str, signer: Signer) -> bytes | None:
    try:
        return signer.unsign(value)
    except BadSignature:
        return None


def _read_login(value: str, signer: Signer) -> Login | None:
    content = _unsigned(value, signer)
    if content is None:
        return None
    try:
        name, role, expires_at, login_id = orjson.loads(urlsafe_b64decode(content))
    except (ValueError, TypeError):  # a cookie of another version, or made by an owner of the token
        return None
    if not isinstance(expires_at, int) or not isinstance(login_id, str):
        return None
    return Login(name, role, expires_at, login_id)


def _digest(key: bytes, salt: bytes, message: str) -> str:
    return hmac.digest(key, salt + b"\n" + message.encode(), "sha256").hex()
