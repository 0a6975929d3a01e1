"""Both drivers of MariaDB encrypt and verify alike for the same URL."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from support.servers.certificates import Certificates, make_certificates
from support.servers.database_servers import MariadbServer
from support.servers.private_servers import running
from winchester_core.errors import DatabaseUnavailable
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.dialects.mariadb_drivers import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESSES = {"right name": "IP:127.0.0.1", "wrong name": "DNS:elsewhere.invalid"}
"""Addresses in the certificates of the servers."""


class TlsServer(MariadbServer):
    """A private MariaDB with a certificate, or without encryption."""

    def __init__(self, folder: Path, certificates: Certificates | None) -> None:
        super().__init__(folder)
        self._certificates = certificates

    def command(self) -> list[str]:
        if self._certificates is None:
            return [*super().command(), "--skip-ssl"]
        files = {
            "ca": self._certificates.ca_file,
            "cert": self._certificates.cert_file,
            "key": self._certificates.key_file,
        }
        return [*super().command(), *(f"--ssl-{name}={file}" for name, file in files.items())]


@pytest.fixture(scope="module")
def certificates() -> Iterator[dict[str, Certificates]]:
    """Certificates by the key of their addresses, each with an authority of its own.

    They are not below pytest's folder, which only this user may read; the server runs as another.
    """
    made = {}
    with tempfile.TemporaryDirectory(prefix="winchester-certificates-") as parent:
        Path(parent).chmod(0o755)
        for name, address in ADDRESSES.items():
            folder = Path(parent, name.replace(" ", "-"))
            folder.mkdir()
            made[name] = make_certificates(folder, address)
            for file in folder.iterdir():
                file.chmod(0o644)
        yield made


@pytest.fixture(scope="module")
def servers(certificates: dict[str, Certificates]) -> Iterator[dict[str, MariadbServer]]:
    """Servers by the key of their certificate's addresses, and one without encryption."""
    with (
        running(TlsServer, lambda folder: TlsServer(folder, certificates["right name"])) as right,
        running(TlsServer, lambda folder: TlsServer(folder, certificates["wrong name"])) as wrong,
        running(TlsServer, lambda folder: TlsServer(folder, None)) as plain,
    ):
        yield {"right name": right, "wrong name": wrong, "plain": plain}


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> str:
    """The name of each driver in URLs."""
    name: str = request.param
    if name == "mysqldb":
        pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    return name


def is_encrypted(server: MariadbServer, driver: str, **parameters: str) -> bool:
    """Connect to the server; return whether the connection is encrypted."""
    url = make_url(server.admin_url()).set(drivername=f"mariadb+{driver}", query=parameters)
    status = text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    with closing(Database(url.render_as_string(hide_password=False))) as database:
        _, cipher = database.read(lambda it: it.execute(status).one())
    return bool(cipher)


def test_a_connection_is_encrypted_if_the_server_supports_it(
    servers: dict[str, MariadbServer], driver: str
) -> None:
    assert is_encrypted(servers["right name"], driver)
    assert is_encrypted(servers["wrong name"], driver)
    assert not is_encrypted(servers["plain"], driver)


def test_with_an_authority_certificate_and_host_name_are_verified(
    servers: dict[str, MariadbServer], certificates: dict[str, Certificates], driver: str
) -> None:
    right, wrong = (str(certificates[name].ca_file) for name in ADDRESSES)
    assert is_encrypted(servers["right name"], driver, ssl_ca=right)
    for server, authority in (("right name", wrong), ("wrong name", wrong), ("plain", right)):
        with pytest.raises(DatabaseUnavailable, match=r"(?i)ssl|tls"):
            is_encrypted(servers[server], driver, ssl_ca=authority)


def test_the_host_name_is_not_verified_on_request(
    servers: dict[str, MariadbServer], certificates: dict[str, Certificates], driver: str
) -> None:
    right, wrong = (str(certificates[name].ca_file) for name in ADDRESSES)
    without = {"ssl_check_hostname": "false"}
    assert is_encrypted(servers["wrong name"], driver, ssl_ca=wrong, **without)
    for server, authority in (("wrong name", right), ("plain", right)):
        with pytest.raises(DatabaseUnavailable, match=r"(?i)ssl|tls"):
            is_encrypted(servers[server], driver, ssl_ca=authority, **without)


def test_a_client_certificate_requires_encryption(
    servers: dict[str, MariadbServer], certificates: dict[str, Certificates], driver: str
) -> None:
    own = certificates["right name"]
    pair = {"ssl_cert": str(own.cert_file), "ssl_key": str(own.key_file)}
    assert is_encrypted(servers["right name"], driver, **pair)
    with pytest.raises(DatabaseUnavailable, match=r"(?i)ssl|tls"):
        is_encrypted(servers["plain"], driver, **pair)


def test_the_mode_of_mysqlclient_can_be_set(servers: dict[str, MariadbServer]) -> None:
    pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    assert not is_encrypted(servers["right name"], "mysqldb", ssl_mode="DISABLED")
    assert is_encrypted(servers["wrong name"], "mysqldb", ssl_mode="REQUIRED")
    with pytest.raises(DatabaseUnavailable, match="does not support TLS"):
        is_encrypted(servers["plain"], "mysqldb", ssl_mode="REQUIRED")
