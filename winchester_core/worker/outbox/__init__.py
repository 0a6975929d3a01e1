"""Delivers what completed streams have left in the outbox: a thread for each endpoint."""

from winchester_core.worker.outbox.couriers import Couriers

__all__ = ["Couriers"]
