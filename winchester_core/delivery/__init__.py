"""Delivery of outbox effects, with one thread per endpoint."""

from winchester_core.delivery.pool import DeliveryPool

__all__ = ["DeliveryPool"]
