"""The import of oslo.messaging, which brings in much that warns of its own end."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # eventlet is imported by oslo.service, not used, and deprecated
    warnings.simplefilter("ignore")
    import oslo_messaging
    from oslo_config import cfg
    from oslo_messaging.notify.listener import BatchNotificationServer

__all__ = ["BatchNotificationServer", "cfg", "oslo_messaging"]
