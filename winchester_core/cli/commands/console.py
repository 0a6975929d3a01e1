"""``winchester console``: the operator's API and web pages."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import (
    DAEMON_OPTIONS,
    METRICS_OPTION,
    Argument,
    Flag,
    apply_metrics_option,
    load_configuration,
    parse_listen_address,
)
from winchester_core.cli.service_process import ServiceProcess
from winchester_core.errors import PluginError
from winchester_core.model.process import ProcessKind
from winchester_core.plugins import COMMANDS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.console.options import ConsoleOptions
    from winchester_core.console.site import Site, SiteConfiguration

logger = logging.getLogger(__name__)

PROGRAM: Final = "winchester-console"
DEFAULT_PORT: Final = 8100
CHECK_SECONDS: Final = 1.0
"""Time between checks that the server is still running."""

MAX_CONNECTIONS: Final = 256
HEADER_TIMEOUT_SECONDS: Final = 10.0


class ConsoleCommand(ConfiguredCommand):
    """Serve the operator's web pages and API.

    The pages show streams, events, rejected messages, the outbox, running processes and their
    activity, and explain why a stream has fired or not. On them, operators retry or discard failed
    streams, rejected messages and dead letters. The API serves the same data and actions under
    /api/v1; /api/v1/openapi.json describes it.

    The console listens on the loopback address unless --listen names another address. On another
    address it requires tokens (the setting console.tokens) and an https console.public_url. Without
    tokens it is read-only unless --allow-actions is given; then every user of this host may act.

    SIGTERM and SIGINT (Ctrl-C) stop the console. SIGHUP reloads the configuration, like 'winchester
    reload'; changes of the section console require a restart.
    """

    examples = (
        "winchester console -c winchester.yaml",
        "winchester console -c winchester.yaml --listen 127.0.0.1:8200 --allow-actions",
        "winchester console -c winchester.yaml -d --pid-file /run/winchester/console.pid",
    )
    arguments = (
        Argument(
            "--listen ADDRESS",
            f"listen address: a port, or HOST:PORT (default: 127.0.0.1:{DEFAULT_PORT}); port 0 "
            "selects a free port, which is logged; [::] accepts only IPv6, 0.0.0.0 only IPv4",
            type=parse_listen_address,
            default=("127.0.0.1", DEFAULT_PORT),
        ),
        Flag(
            "--allow-actions",
            "without tokens on a loopback address, allow every local user to act",
        ),
        Flag(
            "--insecure",
            "listen on any address without tokens, and accept tokens without HTTPS; only for "
            "networks that are protected otherwise",
        ),
        METRICS_OPTION,
        *DAEMON_OPTIONS,
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Serve until stopped; return the exit status."""
        return ConsoleProcess(parsed_args).start()


class ConsoleProcess(ServiceProcess["Site"]):
    """Process of the console."""

    program = PROGRAM
    kind = ProcessKind.CONSOLE

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        self._options = _console_options(self.settings, args)
        self._stopped = threading.Event()

    def load(self) -> Settings:
        settings = load_configuration(self.args, needs=("database", "console"))
        return apply_metrics_option(settings, self.args)

    def open_manager(self) -> AbstractContextManager[Site]:
        from winchester_core.console.site import Site

        return closing(Site(self.settings, self._options))

    def reload_parts(self) -> tuple[ReloadPolicy, Callable[[Settings], SiteConfiguration]]:
        from winchester_core.config.reload_diff import CONSOLE_RELOAD
        from winchester_core.console.site import SiteConfiguration

        return CONSOLE_RELOAD, SiteConfiguration

    def status(self) -> str:
        return f"running: listening on {self._url()}"

    def reads_only(self) -> bool:
        return self.manager.store.replica() is not None

    def stop(self) -> None:
        self._stopped.set()

    def work(self) -> None:
        from winchester_core.console.app import console_application
        from winchester_core.sources.http.params import ConnectionLimits
        from winchester_core.sources.http.server import HttpServer, listen

        host, port = self._options.listen
        listener = listen(host, port)
        # the allowed hosts contain the port, which is free to choose for port 0
        options = replace(self._options, listen=(host, listener.getsockname()[1]))
        self.manager.options = options
        application = console_application(self.manager, self.telemetry.health)
        limits = ConnectionLimits(MAX_CONNECTIONS, HEADER_TIMEOUT_SECONDS)
        self._server = HttpServer(application, listener, limits)
        self._server.start()
        options.log_warnings()
        logger.info("console started: url=%s", self._url())
        self.ready()
        try:
            while not self._stopped.wait(CHECK_SECONDS):
                self._server.check()
        finally:
            self._server.stop()
        logger.info("console stopped")

    def _url(self) -> str:
        from winchester_core.sources.http.server import http_url

        return f"{http_url(*self._server.address)}/"


def _console_options(settings: Settings, args: Namespace) -> ConsoleOptions:
    """Return the options. Raises `ConfigurationError`, `PluginError` if the extra is missing."""
    try:
        from winchester_core.console import app  # noqa: F401 - checks the optional packages
        from winchester_core.console.options import ConsoleOptions
    except ImportError as error:
        raise PluginError.missing_extra(COMMANDS, "console", "console", error) from error
    return ConsoleOptions.of(
        settings, args.listen, allow_actions=args.allow_actions, insecure=args.insecure
    )
