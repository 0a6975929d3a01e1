"""How long a database and a connection to it wait, for others and for each other.

A process can be paused in the middle of a transaction (SIGSTOP, a frozen virtual machine) while
its connection stays alive. The server then ends the session, so that its locks hold nobody up;
the process finds its connection broken when it goes on, and does the transaction again.
"""

from __future__ import annotations

IDLE_TRANSACTION_SECONDS = 30
"""How long a transaction may wait for its client before the server ends the session."""

LOCK_WAIT_SECONDS = 10
"""How long a statement waits for a lock before the transaction is done again."""

CONNECT_SECONDS = 10

SILENCE_SECONDS = 60
"""How long sent data may stay unacknowledged before a connection counts as broken."""

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_COUNT = 3
