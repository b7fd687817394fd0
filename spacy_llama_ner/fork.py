"""What torch needs in processes that `nlp.pipe(n_process=...)` forks."""

from __future__ import annotations

import functools
import os


@functools.cache
def single_thread_after_fork() -> None:
    """Keep `nlp.pipe(n_process=...)` from hanging: GNU OpenMP's threads do not survive a fork.

    See https://pytorch.org/docs/stable/notes/multiprocessing.html, on CPU oversubscription and deadlocks.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))
