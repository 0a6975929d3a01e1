"""The operator's API: JSON under ``/api/v1``."""
