"""Commands of ``winchester``, one module per noun; ``winchester-worker`` and ``winchester_db``."""
