"""Commands of ``winchester``, one module for each noun; and the programs of workers and schemas."""
