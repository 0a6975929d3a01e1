"""Fault injection, one fault after another, chosen by a seed: kind, target and duration."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

from support.scenes.sites import wait_until
from support.servers.tcp_proxy import Cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.chaos_site import ChaosSite
    from support.scenes.program_groups import RunningProgram
    from support.servers.database_servers import DatabaseServer
    from support.servers.tcp_proxy import Proxy

LONGEST_STOP_SECONDS = 6.0
"""Twice the lease: half of the stopped programs continue too late."""

LONGEST_OUTAGE_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 0.7
EVENTS_PER_STEP = 25


class Fault(StrEnum):
    """A fault of the programs, their connections or their server."""

    KILL_INGESTER = "ingester killed (SIGKILL)"
    KILL_WORKER = "worker killed (SIGKILL)"
    STOP_INGESTER = "ingester stopped and continued (SIGSTOP)"
    STOP_WORKER = "worker stopped and continued (SIGSTOP)"
    END_INGESTER = "ingester ended in order (SIGTERM)"
    END_WORKER = "worker ended in order (SIGTERM)"
    CUT_BY_SERVER = "connection cut by the server"
    CUT_BEFORE_COMMIT = "connection cut before a commit arrived"
    CUT_BEFORE_REPLY = "connection cut before a commit's reply"
    RESTART_SERVER = "server restarted in order"
    CRASH_SERVER = "server killed and started again"


PROGRAM_FAULTS = {
    Fault.KILL_INGESTER: 4,
    Fault.KILL_WORKER: 5,
    Fault.STOP_INGESTER: 3,
    Fault.STOP_WORKER: 5,
    Fault.END_INGESTER: 1,
    Fault.END_WORKER: 2,
}
CONNECTION_FAULTS = {
    Fault.CUT_BY_SERVER: 3,
    Fault.CUT_BEFORE_COMMIT: 3,
    Fault.CUT_BEFORE_REPLY: 4,
}
SERVER_FAULTS = {Fault.RESTART_SERVER: 1, Fault.CRASH_SERVER: 1}
"""Occurrences of each fault in a round."""


@dataclass
class _Stopped:
    name: str
    member: RunningProgram
    until: float


class FaultInjector:
    """Injects faults into a site; `server` and `proxy` are None without a server.

    The seed determines kind, target and duration of the faults, not the exact moment.
    """

    def __init__(
        self,
        chaos_site: ChaosSite,
        seed: int,
        server: DatabaseServer | None,
        proxy: Proxy | None,
    ) -> None:
        self.injected: Counter[Fault] = Counter()
        self.failed_starts = 0
        """Number of programs that exited with status 1 as the server was unavailable at startup."""
        self._site = chaos_site
        self._seed = seed
        self._random = random.Random(seed)
        self._server = server
        self._proxy = proxy
        self._stopped: list[_Stopped] = []
        self._ending: set[str] = set()
        self._pause = threading.Event()
        self._weights = PROGRAM_FAULTS | (CONNECTION_FAULTS | SERVER_FAULTS if server else {})

    def inject_for(self, seconds: float) -> None:
        """Inject one fault after another for this long, while events keep arriving."""
        start = time.monotonic()
        for fault in self._faults():
            if time.monotonic() - start >= seconds:
                return
            self._site.produce(EVENTS_PER_STEP)
            self._pause.wait(self._random.uniform(0, LONGEST_PAUSE_SECONDS))
            self.supervise()
            self._do(fault)

    def recover(self) -> None:
        """End every active fault, and wait until all programs run."""
        if self._proxy is not None:
            cuts = self._proxy.take_cuts_at_commits()
            self.injected[Fault.CUT_BEFORE_COMMIT] = cuts[Cut.BEFORE_COMMIT]
            self.injected[Fault.CUT_BEFORE_REPLY] = cuts[Cut.BEFORE_REPLY]
        for stopped in self._stopped:
            stopped.until = 0
        self.supervise()
        for name in list(self._ending):
            self._site.member(name).wait()
        self.supervise()

    def supervise(self) -> list[str]:
        """Continue programs stopped for long enough; restart ended ones.

        Returns the running roles, without those of ingesters that have ingested everything.
        """
        now = time.monotonic()
        for stopped in [each for each in self._stopped if each.until <= now]:
            stopped.member.resume()
            self._stopped.remove(stopped)
        for name in self._site.names:
            member = self._site.member(name)
            if member.is_running:
                continue
            if self._site.is_done(name):
                self._site.remove(name)
            else:
                self._note_end(name, member)
                self._site.start(name)
        return self._site.names

    # --- within ---------------------------------------------------------------------------

    def _faults(self) -> Iterator[Fault]:
        """Yield every kind once, then the others of each round, in the order of the seed."""
        kinds = list(self._weights)
        others = [kind for kind, weight in self._weights.items() for _ in range(weight - 1)]
        for number in count():
            self._random.seed(f"{self._seed}/{number}")  # whatever the steps before it used
            round_ = self._random.sample(kinds, len(kinds))
            round_ += self._random.sample(others, len(others))
            for index, fault in enumerate(round_):
                self._random.seed(f"{self._seed}/{number}/{index}")
                yield fault

    def _note_end(self, name: str, member: RunningProgram) -> None:
        was_asked = name in self._ending
        self._ending.discard(name)
        status, output = member.wait(), member.text()
        # a process that has just started has no signal handler yet
        if was_asked and status in (0, -signal.SIGTERM):
            return
        # it may end if the server is unavailable at its start; once running, it waits
        has_worked = not all(line.startswith("winchester") for line in output.splitlines())
        assert (status, has_worked) == (1, False), f"{name} ended with {status}:\n{output[-4000:]}"
        self.failed_starts += 1

    def _do(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL_INGESTER | Fault.STOP_INGESTER | Fault.END_INGESTER:
                self._do_to_program(fault, "ingester")
            case Fault.KILL_WORKER | Fault.STOP_WORKER | Fault.END_WORKER:
                self._do_to_program(fault, "worker")
            case _:
                self._do_to_server(fault)

    def _do_to_program(self, fault: Fault, role: str) -> None:
        away = {each.name for each in self._stopped} | self._ending
        names = [name for name in self._site.names if name.startswith(role)]
        name, seconds = self._random.choice(names), self._random.uniform(0, LONGEST_STOP_SECONDS)
        if name in away:
            return
        self.injected[fault] += 1
        member = self._site.member(name)
        match fault:
            case Fault.STOP_INGESTER | Fault.STOP_WORKER:
                member.stop()
                self._stopped.append(_Stopped(name, member, time.monotonic() + seconds))
            case Fault.KILL_INGESTER | Fault.KILL_WORKER:
                member.kill()
                self._site.start(name)
            case _:
                member.signal(signal.SIGTERM)
                self._ending.add(name)

    def _do_to_server(self, fault: Fault) -> None:
        assert self._server is not None
        assert self._proxy is not None
        seconds = self._random.uniform(0, LONGEST_OUTAGE_SECONDS)
        match fault:
            case Fault.CUT_BY_SERVER:
                wait_until(lambda: self._cut_connections() > 0)
            case Fault.CUT_BEFORE_COMMIT:
                self._proxy.cut_at_next_commit(Cut.BEFORE_COMMIT)
            case Fault.CUT_BEFORE_REPLY:
                self._proxy.cut_at_next_commit(Cut.BEFORE_REPLY)
            case _:
                self.injected[fault] += 1
                self._server.stop(immediately=fault is Fault.CRASH_SERVER)
                self._pause.wait(seconds)
                self._server.start()

    def _cut_connections(self) -> int:
        assert self._server is not None
        cut = self._server.cut_connections()
        self.injected[Fault.CUT_BY_SERVER] += cut
        return cut
