"""Import of oslo.messaging without the deprecation warnings of its dependencies."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # oslo.service imports eventlet, which is deprecated and not used
    warnings.simplefilter("ignore")
    import oslo_messaging
    from oslo_config import cfg
    from oslo_messaging.notify.listener import BatchNotificationServer

__all__ = ["BatchNotificationServer", "cfg", "oslo_messaging"]
