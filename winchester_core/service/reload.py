"""Reload of the configuration in a running process."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from winchester_core.service.exit import CLEANUP_SECONDS, error_lines
from winchester_core.telemetry.log_context import MultilineText

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.service.systemd import SystemdNotifier

logger = logging.getLogger(__name__)

RELOAD_FAILED: Final = "reload failed, see the log"


class Reloader:
    """Context manager with a thread that reloads the configuration on request.

    `load` reads the files. `prepare` builds the new objects, and returns a function that activates
    them and cannot fail. If `load`, `prepare` or the setup of logging raises an exception, nothing
    changes, and the reasons are logged.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        policy: ReloadPolicy,
        load: Callable[[], Settings],
        prepare: Callable[[Settings], Callable[[], None]],
        proc_name: str,
        notifier: SystemdNotifier | None = None,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._load = load
        self._prepare = prepare
        self._proc_name = proc_name
        self._notifier = notifier
        self._requested = threading.Event()
        self._done = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done = True
        self._requested.set()
        self._thread.join(CLEANUP_SECONDS)

    def request(self) -> None:
        """Request a reload. Thread-safe. Requests that arrive before it starts are merged."""
        self._requested.set()

    def _run(self) -> None:
        while True:
            self._requested.wait()
            self._requested.clear()
            if self._done:
                return
            if self._notifier is not None:
                self._notifier.reloading()
            has_succeeded = self._reload()
            if self._notifier is not None:
                self._notifier.reloaded("" if has_succeeded else RELOAD_FAILED)

    def _reload(self) -> bool:
        """Reload and apply the configuration; return False if it is invalid."""
        from winchester_core.config import compare_settings, configure_logging

        try:
            change = compare_settings(self._settings, self._load(), self._policy)
            apply = self._prepare(change.settings)
            configure_logging(change.settings, self._proc_name)
        except BaseException as error:  # noqa: BLE001 - of plugins, whose `sys.exit` ends no thread
            reasons = MultilineText("\n".join(error_lines(error, self._settings.name)))
            logger.error("reload failed, configuration unchanged:\n%s", reasons)
            return False
        apply()
        self._settings = change.settings
        changes = "; ".join(change.applied) or "none"
        logger.info("configuration reloaded: file=%s changes=%s", self._settings.name, changes)
        if change.pending_restart:
            keys = ", ".join(change.pending_restart)
            logger.warning("configuration changes require a restart: keys=%s", keys)
        return True
