"""The log of replies: what is in it stays, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_llama_ner.llm.backends.base import Reply
from spacy_llama_ner.llm.reply_log import ReplyLog

KEYS = ["00" * 32, "0a" * 32, "ff" * 32]


def reply(text: str) -> Reply:
    return Reply(text, input_tokens=7, output_tokens=3, seconds=0.25)


def write(path: Path, *rows: tuple[str, str]) -> None:
    with ReplyLog(path) as log:

        async def add() -> None:
            for key, text in rows:
                await log.add(key, reply(text))

        asyncio.run(add())


def test_what_was_added_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "replies.jsonl"
    write(path, (KEYS[0], "Ünïcode\nand a second line"), (KEYS[1], ""))
    with ReplyLog(path) as log:
        assert log.replies(KEYS[0]) == [reply("Ünïcode\nand a second line")]
        assert log.replies(KEYS[1]) == [reply("")]
        assert log.replies(KEYS[2]) == []
        assert log.dropped == 0


def test_replies_to_one_question_come_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "log", (KEYS[0], "first"), (KEYS[1], "other"), (KEYS[0], "second"))
    write(tmp_path / "log", (KEYS[0], "third"))
    with ReplyLog(tmp_path / "log") as log:
        assert [each.text for each in log.replies(KEYS[0])] == ["first", "second", "third"]


def test_a_reply_can_be_read_as_soon_as_it_was_added(tmp_path: Path) -> None:
    async def add_and_read(log: ReplyLog) -> None:
        await asyncio.gather(*(log.add(f"{i:064x}", reply(f"number {i}")) for i in range(200)))
        for i in range(200):
            assert log.replies(f"{i:064x}") == [reply(f"number {i}")]

    with ReplyLog(tmp_path / "log") as log:
        asyncio.run(add_and_read(log))


def test_it_is_on_the_disk_before_add_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))

    async def add(log: ReplyLog) -> None:
        for i in range(3):
            await log.add(KEYS[i], reply("x"))
            assert len(synced) == i + 1
            assert synced[-1] == log.path.stat().st_size

    with ReplyLog(tmp_path / "log") as log:
        asyncio.run(add(log))


@pytest.mark.parametrize("torn", [b"{", b'{"key": "0a0a', b'{"key": "00"}', b"\x00\x00\x00"])
def test_a_torn_last_line_is_dropped_and_counted(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log"
    write(path, (KEYS[0], "whole"))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with ReplyLog(path) as log:
        assert log.dropped == 1
        assert log.replies(KEYS[0]) == [reply("whole")]
    assert path.read_bytes() == whole
    write(path, (KEYS[1], "behind"))
    with ReplyLog(path) as log:
        assert (log.dropped, log.replies(KEYS[1])) == (0, [reply("behind")])


def test_a_line_without_its_end_is_torn_even_if_it_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, (KEYS[0], "whole"))
    path.write_bytes(path.read_bytes()[:-1])
    with ReplyLog(path) as log:
        assert (log.dropped, log.replies(KEYS[0])) == (1, [])


@pytest.mark.parametrize("bad", ["\0" * 40, "[1]", '{"key": "zz"}', '{"key": "00", "text": 1}'])
def test_a_bad_line_in_the_middle_loses_nothing_else(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "log"
    write(path, (KEYS[0], "before"), (KEYS[1], "behind"))
    first, second = path.read_text(encoding="utf8").splitlines()
    path.write_text(f"{first}\n{bad}\n{second}\n", encoding="utf8")
    with ReplyLog(path) as log:
        assert log.dropped == 1
        assert (log.replies(KEYS[0]), log.replies(KEYS[1])) == ([reply("before")], [reply("behind")])


def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"text": "mine"}), encoding="utf8")
    with pytest.raises(ValueError, match="does not begin like a log of replies"), ReplyLog(path):
        pass
    assert json.loads(path.read_text(encoding="utf8")) == {"text": "mine"}


def test_two_processes_cannot_write_at_once(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from spacy_llama_ner.llm.reply_log import ReplyLog
try:
    with ReplyLog(Path({str(tmp_path / "log")!r})):
        print("got it")
except ValueError as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    with ReplyLog(tmp_path / "log"):
        done = subprocess.run(command, capture_output=True, encoding="utf8", timeout=120, check=True)
    assert "Another process is writing" in done.stdout
    done = subprocess.run(command, capture_output=True, encoding="utf8", timeout=120, check=True)
    assert done.stdout.strip() == "got it"


def test_a_full_disk_is_an_error_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "log", (KEYS[0], "before"))
    write_bytes = os.write

    def fills_up(file: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(file, data[:50])

    async def add(log: ReplyLog) -> None:
        monkeypatch.setattr(os, "write", fills_up)
        with pytest.raises(OSError, match="No space left"):
            await log.add(KEYS[1], reply("lost"))
        monkeypatch.undo()
        await log.add(KEYS[2], reply("found"))

    with ReplyLog(tmp_path / "log") as log:
        asyncio.run(add(log))
    with ReplyLog(tmp_path / "log") as log:
        assert log.dropped == 0
        assert [log.replies(key) for key in KEYS] == [[reply("before")], [], [reply("found")]]
