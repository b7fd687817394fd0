"""Commands of the pages that no test here runs, and why. Each is still checked for names that do not exist."""

from __future__ import annotations

# the first words of a command
NOT_RUN = {
    "make": "sets up environments and takes minutes",
    "pip": "installs packages from the network",
    "source": "changes the shell it is given in",
    "python -m pytest": "runs other tests",
    "python -m spacy project run": "tests/workflows runs the workflows on little data",
    "python -m spacy package": "builds a wheel in an environment of its own; tests/integration does",
    "python -m spacy llama-ner push": "uploads to the Hub; tests/cli does, to a stand-in",
    "torchrun": "starts several processes; tests/training does",
    "LD_PRELOAD=libjemalloc.so.2": "needs another allocator",
}

# a part of a command
NOT_RUN_WITH = {
    "--engine ray": "starts a Ray cluster; tests/cli does",
    "--base-url local": "the tiny base writes no reply that can be used",
    "--model local:": "the tiny base writes no reply that can be used",
    "--wheel": "needs the wheel of the default base",
}

# a part of a Python block; its imports are run
NOT_RUN_PYTHON = {
    "LabelStudioOracle(": "waits for people at a Label Studio server; tests/experts has one",
}


def reason_not_to_run(command: str) -> str | None:
    """Why a command is not run, or None if it is."""
    first = (why for start, why in NOT_RUN.items() if f"{command} ".startswith(f"{start} "))
    within = (why for part, why in NOT_RUN_WITH.items() if part in command)
    return next(first, None) or next(within, None)
