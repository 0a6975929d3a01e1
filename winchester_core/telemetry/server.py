"""A process as it is watched from outside, while entered: its health, and its metrics."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from winchester_core.distribution import install_command
from winchester_core.errors import ConfigurationError
from winchester_core.telemetry.http_server import TelemetryApplication

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any, Self

    from winchester_core.telemetry.metrics import MetricsCollector
    from winchester_core.telemetry.watchdog import Health

_MISSING_LIBRARY = f"metrics_listen: needs prometheus_client: {install_command('metrics')}"


def load_exposition() -> Any:
    """The module that speaks Prometheus's formats. Raises `ConfigurationError` where it is absent.

    It comes with the extra `metrics`.
    """
    try:
        from winchester_core.telemetry.metrics import exposition
    except ModuleNotFoundError as error:
        raise ConfigurationError([_MISSING_LIBRARY]) from error
    return exposition


class TelemetryServer:
    """Tells `health` and what `probes` know at an address; nowhere where that is None.

    Entering it raises `ListenError`, and `ConfigurationError` where the library is not installed.
    """

    def __init__(
        self, address: tuple[str, int] | None, health: Health, probes: Iterable[MetricsCollector]
    ) -> None:
        self.health = health
        self._address = address
        self._probes = list(probes)
        self._stack = ExitStack()

    def add(self, probe: MetricsCollector) -> None:
        """Ask this one, too, from now on."""
        self._probes.append(probe)

    def __enter__(self) -> Self:
        if self._address is not None:
            from winchester_core.telemetry.http_server import HttpListener

            metrics = load_exposition().exposition(self._probes)
            answers = TelemetryApplication(metrics, self.health)
            self._stack.enter_context(HttpListener(*self._address, answers))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
