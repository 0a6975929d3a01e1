"""Delivery of outbox effects: one thread for each endpoint."""

from winchester_core.delivery.pool import DeliveryPool

__all__ = ["DeliveryPool"]
