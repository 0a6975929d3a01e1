"""Settings of workers with which the tests of races and faults run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Number of threads of a worker, and of runs that are committed together."""

    concurrency: int
    commit_batch: int

    def __str__(self) -> str:
        return f"{self.concurrency}x{self.commit_batch}"

    @property
    def is_parallel(self) -> bool:
        """Return whether there are several threads."""
        return self.concurrency > 1

    def yaml(self) -> str:
        """Return the lines for winchester.yaml."""
        return f"worker_concurrency: {self.concurrency}\ncommit_batch: {self.commit_batch}\n"


ONE_BY_ONE = WorkerSettings(1, 1)
PARALLEL = WorkerSettings(8, 100)
BOTH_SETTINGS = (ONE_BY_ONE, PARALLEL)
