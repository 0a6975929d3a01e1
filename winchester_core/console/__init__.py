"""The operator's API and console in one ASGI program: JSON under ``/api/v1``, pages under ``/``.

Both use only the read and admin roles of the store.
"""
