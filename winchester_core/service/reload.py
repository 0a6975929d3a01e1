"""Following the configuration while at work: its files are read again when that is asked for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from winchester_core.service.exit import CLEANUP_SECONDS, error_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.service.systemd import SystemdNotifier

logger = logging.getLogger(__name__)

RELOAD_REFUSED: Final = "the changed configuration is refused, see the log"


class Reloader:
    """Goes by the files as they are, each time it is asked to, in a thread of its own.

    `load` reads them. `prepare` makes of them what the program goes by, and returns a function,
    which cannot fail, that puts it in the place of what was there. Where one of the two raises, or
    logging cannot be set up, nothing changes, and one record says why. A context manager.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        takeover: ReloadPolicy,
        load: Callable[[], Settings],
        prepare: Callable[[Settings], Callable[[], None]],
        proc_name: str,
        supervisor: SystemdNotifier | None = None,
    ) -> None:
        self._settings = settings
        self._takeover = takeover
        self._load = load
        self._prepare = prepare
        self._proc_name = proc_name
        self._supervisor = supervisor
        self._asked = threading.Event()
        self._done = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done = True
        self._asked.set()
        self._thread.join(CLEANUP_SECONDS)

    def ask(self) -> None:
        """Read the configuration again, soon. Any thread may call it, any number of times."""
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._done:
                return
            if self._supervisor is not None:
                self._supervisor.reloading()
            is_taken_over = self._reload()
            if self._supervisor is not None:
                self._supervisor.reloaded("" if is_taken_over else RELOAD_REFUSED)

    def _reload(self) -> bool:
        """Go by the files as they are; False when they are not fit for it."""
        from winchester_core.config import compare_settings, configure_logging

        try:
            change = compare_settings(self._settings, self._load(), self._takeover)
            take_over = self._prepare(change.settings)
            configure_logging(change.settings, self._proc_name)
        except Exception as error:  # noqa: BLE001 - plugins check their params, too
            reasons = "\n".join(error_lines(error, self._settings.name))
            logger.error("configuration not taken over, all stays as it was:\n%s", reasons)
            return False
        take_over()
        self._settings = change.settings
        words = "; ".join(change.applied) or "nothing has changed"
        logger.info("configuration %s taken over: %s", self._settings.name, words)
        if change.pending_restart:
            keys = ", ".join(change.pending_restart)
            logger.warning("configuration: what has changed in %s waits for a restart", keys)
        return True
