"""Warning about event sources whose messages could not be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.model.message import MessageKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.config.document import Document
    from winchester_core.config.errors import ProblemReport


def warn_undefined_notifications(
    document: Document, sources: Mapping[str, Any], report: ProblemReport
) -> None:
    """Warn of sources of notifications, of a configuration without event definitions.

    Each message would be rejected, and could be retried once there are definitions.
    """
    for name, entry in sources.items():
        params = entry.params
        is_notification = params.get("format") == MessageKind.NOTIFICATION.value
        replies = getattr(entry.source_class, "replies_to_sender", False)
        if is_notification and params.get("mapping") == [] and not replies:
            message = (
                "its messages are notifications, for which there are no event definitions "
                "(distiller_config); for other messages, set mapping, or format: event"
            )
            report.warn(document, ("event_sources", name), message)
