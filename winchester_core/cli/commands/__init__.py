"""Commands by noun: `stream.py` and, if one module would be too long, `stream_explain.py`.

`worker.py` and `database.py` are programs of their own: ``winchester-worker``, ``winchester_db``.
"""
