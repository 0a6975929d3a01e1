"""Handlers of the prepared site. Installed on it, as those of a third party are."""

import json
from pathlib import Path


class InvoiceHandler:
    """Writes an invoice in euros. It fails while the rate of the currency is not in a file."""

    def __init__(self, rates):
        self._rates = Path(rates)

    def handle_events(self, events, env):
        placed = next(event for event in events if event["event_type"] == "order.placed")
        rate = self._rate(placed["currency"])
        env["invoice"] = round(placed["total"] * rate, 2)
        return events

    def commit(self):
        """Keep the invoice."""

    def rollback(self):
        """Discard the invoice."""

    def _rate(self, currency):
        rates = {"EUR": 1.0, "USD": 0.92}
        if self._rates.exists():
            rates |= json.loads(self._rates.read_text())
        if currency not in rates:
            raise LookupError(f"no exchange rate for {currency} in {self._rates.name}")
        return rates[currency]


class ParcelHandler:
    """Queues the label of a parcel; its delivery always succeeds."""

    def handle_events(self, events, env):
        env["outbox"].put({"order": env["distinguished_by"]["order_id"], "carrier": "parcel-one"})
        return events

    def commit(self):
        """Keep the label."""

    def rollback(self):
        """Discard the label."""

    def deliver(self, effects):
        from winchester_core.interfaces import Delivered

        return [Delivered() for _ in effects]
