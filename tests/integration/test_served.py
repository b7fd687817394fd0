"""`annotate` with a real model behind a real OpenAI-compatible server: SmolLM2 in `transformers serve`."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import srsly

from spacy_llama_ner.base.locate import locate_base
from tests.cli.helpers import fails, read_docs, succeeds
from tests.evaluate.sample import write_corpus

pytestmark = [
    pytest.mark.served,
    pytest.mark.skipif(version("transformers") < "5", reason="transformers 4 does not speak the protocol in full"),
]

GOLD: list[tuple[str, list[tuple[str, str]]]] = [
    ("Call Ida Holm on Friday.", [("Ida Holm", "NAME"), ("Friday", "DATE")]),
    ("Wake Tomas at noon!", [("Tomas", "NAME")]),
    ("Is it going to rain?", []),
    ("Ask Maria on Monday", [("Maria", "NAME"), ("Monday", "DATE")]),
]
TEXTS = ["Call Ida Brook on Monday.", "Wake Anna at noon!", "Is it late?"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The name of the model, and the address of its server, which runs in a process of its own on this machine."""
    folder = str(locate_base("smollm2-135m"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("served") / "log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", folder]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 600
            while not is_ready(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf8")[-3000:]
                time.sleep(0.5)
            yield folder, f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=60)


def is_ready(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def test_a_real_model_labels_texts(server: tuple[str, str], tmp_path: Path) -> None:
    texts, examples, output = tmp_path / "texts.txt", tmp_path / "gold.spacy", tmp_path / "silver.spacy"
    texts.write_text("\n".join(TEXTS), encoding="utf8")
    (tmp_path / "labels.cfg").write_text('[labels]\nNAME = "a person"\nDATE = ""\n', encoding="utf8")
    write_corpus(examples, GOLD)
    model, url = server
    options = ["--labels", tmp_path / "labels.cfg", "--prompt", "brackets-brief", "--examples", examples]
    options += ["--shots", 4, "--max-tokens", 60, "--timeout", 600, "--concurrency", 2, "--attempts", 2]
    for _ in range(2):
        succeeds("annotate", texts, output, "--model", model, "--base-url", url, *options)
    log = list(srsly.read_jsonl(tmp_path / "silver.spacy.replies.jsonl"))
    assert len(log) == len(TEXTS), "the second run has asked nothing"
    assert all(row["input_tokens"] > 100 and 0 < row["output_tokens"] <= 60 for row in log)
    docs = read_docs(output)
    assert [doc.text for doc in docs] == TEXTS
    found = {(ent.text, ent.label_) for doc in docs for ent in doc.ents}
    assert {("Ida Brook", "NAME"), ("Anna", "NAME")} <= found


def test_a_wrong_model_name_is_said(server: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf8")
    options = ["--labels", "NAME", "--model", "gpt-0", "--base-url", server[1]]
    said = fails("annotate", tmp_path / "texts.txt", tmp_path / "silver.spacy", *options)
    assert re.search("None of 3 texts got a usable reply. The first: HTTP 400: .*pinned", said)
