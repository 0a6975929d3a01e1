"""The console: pages for operators, and the API, in one ASGI program."""
