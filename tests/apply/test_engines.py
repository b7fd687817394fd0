"""Both engines run each part once and write the same files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import spacy_llama_ner.apply.engines
from spacy_llama_ner.cli.apply import apply
from tests.cli.helpers import contents


def test_a_run_that_failed_goes_on_where_it_was(
    model: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(model, lines, tmp_path / "whole", part_size=5)
    run_part, ran = spacy_llama_ner.apply.engines.run_part, []

    def fail_at_the_third(job: Any, part: Any, nlp: Any, folder: Path) -> int:
        ran.append(part.number)
        if len(ran) == 3:
            raise RuntimeError("power cut")
        return run_part(job, part, nlp, folder)

    monkeypatch.setattr(spacy_llama_ner.apply.engines, "run_part", fail_at_the_third)
    with pytest.raises(RuntimeError, match="power cut"):
        apply(model, lines, tmp_path / "out", part_size=5)
    assert sorted(contents(tmp_path / "out")) == ["job.json", "part-000000.jsonl", "part-000001.jsonl"]
    apply(model, lines, tmp_path / "out", part_size=5)
    assert ran == [0, 1, 2, 2, 3, 4]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    apply(model, lines, tmp_path / "out", part_size=5)
    assert len(ran) == 6


def test_ray_writes_the_same_files(model: str, lines: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    apply(model, lines, tmp_path / "local", part_size=5)
    command = [sys.executable, "-m", "spacy", "llama-ner", "apply", model, str(lines), str(tmp_path / "ray")]
    command += ["--part-size", "5", "--engine", "ray", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, encoding="utf8", timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
