"""Connections of mysqlclient: secure defaults, interruptible waits, fast parameters."""

from __future__ import annotations

import select
from contextlib import suppress
from types import NoneType
from typing import TYPE_CHECKING, Any

from MySQLdb import DatabaseError, OperationalError, get_client_info, string_literal
from MySQLdb.connections import Connection
from MySQLdb.constants import CLIENT, CR
from MySQLdb.cursors import Cursor

from winchester_core.storage.sql.dialects.mariadb_bulk import JsonLiteral

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _json_literal(document: JsonLiteral) -> bytes:
    return JsonLiteral.to_literal(document, None).encode()


_LITERALS: Mapping[type, Callable[[Any], bytes]] = {
    str: string_literal,
    bytes: string_literal,
    int: b"%d".__mod__,
    NoneType: {None: b"NULL"}.__getitem__,
    JsonLiteral: _json_literal,
}
"""Conversions of a parameter to a literal in UTF-8, by its type."""


class LiteralCursor(Cursor):
    """Cursor that looks up the conversion of a parameter by its type.

    mysqlclient calls a function in Python for each parameter. For the inserts of a batch, this
    takes as long as everything else that the driver does.
    """

    def execute(self, query: str | bytes, args: Any = None) -> Any:
        """Execute a statement with `%s` for each parameter; return the number of rows."""
        if type(args) is tuple and type(query) is str:
            try:
                literals = tuple([_LITERALS[type(each)](each) for each in args])
            except KeyError:  # another type
                return super().execute(query, args)
            return super().execute(query.encode() % literals)
        return super().execute(query, args)


class InterruptibleConnection(Connection):
    """Connection whose waits for responses end at a signal whose handler raises, such as Ctrl-C.

    The client library restarts an interrupted wait, and Python's handlers of signals run only after
    the library's function has returned. So this class waits for the first byte of each response,
    and lets the library read the rest.
    """

    default_cursor = LiteralCursor

    def __init__(self, *, read_timeout: int | None = None, **options: Any) -> None:
        if read_timeout is not None:
            options["read_timeout"] = read_timeout
        self._timeout_ms = None if read_timeout is None else read_timeout * 1000
        self._responses: select.poll | None = None
        super().__init__(**options)
        self._responses = select.poll()
        self._responses.register(self.fileno(), select.POLLIN)

    def query(self, query: bytes | bytearray) -> None:
        """Execute a statement. Raises an `OperationalError` after `read_timeout`."""
        if self._responses is None:  # connecting
            super().query(query)
            return
        self.send_query(bytes(query))
        if not self._responses.poll(self._timeout_ms):
            self.close()
            raise OperationalError(CR.SERVER_LOST, "no response within read_timeout")
        self.read_query_result()

    def commit(self) -> None:
        """Commit the transaction."""
        self.query(b"COMMIT")

    def rollback(self) -> None:
        """Roll the transaction back. Discards results that were not read, because of an error."""
        with suppress(DatabaseError):  # of a later statement, or else the rollback fails too
            while self.next_result() == 0:
                self.discard_result()
        self.query(b"ROLLBACK")


def connect(options: dict[str, Any]) -> InterruptibleConnection:
    """Return a new connection. Options mean the same as for PyMySQL; `ssl_mode` is the library's.

    Raises an `OperationalError` if the server does not support the encryption that is required.
    """
    options = {"local_infile": False, **options}  # else it sends any file that a server requests
    _choose_protocol(options)
    _choose_encryption(options)
    connection = InterruptibleConnection(**options)
    is_required = options.get("ssl_mode", "PREFERRED") not in ("PREFERRED", "DISABLED")
    if is_required and not connection.server_capabilities & CLIENT.SSL:
        # MariaDB's library would continue without encryption
        connection.close()
        raise OperationalError(CR.SSL_CONNECTION_ERROR, "the server does not support TLS")
    return connection


def _choose_protocol(options: dict[str, Any]) -> None:
    """Use the UNIX socket if it is given, else TCP.

    The library ignores the port of "localhost", and the UNIX socket for any other host. It compares
    by case, and capitals keep the name for the verification of the certificate.
    """
    if options.get("unix_socket"):
        options.pop("host", None)
    elif "read_default_file" not in options and options.get("host", "localhost") == "localhost":
        options["host"] = "LOCALHOST"


def _choose_encryption(options: dict[str, Any]) -> None:
    """Set `ssl_mode` by the parameters of TLS, unless it is given.

    With a certificate authority, the library verifies the server's certificate and host name; with
    other parameters, it encrypts. Without parameters, it encrypts if the server supports it.
    """
    if "ssl_mode" in options:
        return
    parameters = options.get("ssl", {})
    is_mariadb_library = get_client_info().startswith("3.")
    if not parameters:
        if is_mariadb_library and not options.get("unix_socket"):
            options["ssl"] = {"cipher": ""}  # prefers encryption; the other library does by default
    elif not ("ca" in parameters or "capath" in parameters):
        options["ssl_mode"] = "REQUIRED"
    elif parameters.get("check_hostname", True):
        options["ssl_mode"] = "VERIFY_IDENTITY"
    else:
        # for MariaDB's library, VERIFY_CA includes the host name, REQUIRED includes the authority
        options["ssl_mode"] = "REQUIRED" if is_mariadb_library else "VERIFY_CA"
