"""What is asked of glibc, so that memory is kept between batches and returned once it has grown."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from spacy_llama_ner.shim import memory
from spacy_llama_ner.shim.memory import FreedMemory, give_back_freed_memory, keep_freed_memory


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Arguments of the calls of a stand-in for the C library."""
    received: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: Any) -> None: ...

        def mallopt(self, setting: int, value: int) -> None:
            received.append((setting, value))

        def malloc_trim(self, pad: int) -> None:
            received.append((pad, 0))

    for name in ("MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", Library)
    return received


def test_freed_memory_is_kept(calls: list[tuple[int, int]]) -> None:
    keep_freed_memory.__wrapped__()
    assert calls == [(-4, 0), (-1, 2**31 - 1)]


def test_malloc_variables_of_the_environment_take_precedence(
    calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    keep_freed_memory.__wrapped__()
    assert not calls


def test_freed_memory_is_returned_once_the_process_has_grown(
    calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([900, 500, 700, 801, 400])
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(sizes))
    give_back = FreedMemory().give_back
    give_back(after_growth=300)
    assert calls == [(0, 0)]
    give_back(after_growth=300)  # 700, where 500 were left
    assert calls == [(0, 0)]
    give_back(after_growth=300)
    assert calls == [(0, 0)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_resident_memory_is_counted_in_bytes() -> None:
    assert 2**24 < memory.resident_bytes() < 2**36


def test_nothing_is_called_on_another_system(calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back_freed_memory()
    keep_freed_memory.__wrapped__()
    assert not calls
