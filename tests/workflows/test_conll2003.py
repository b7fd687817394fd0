"""The workflows `conll2003`, `conll2003-best` and `conll2003-linear`, on made-up data and a tiny base."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

from tests.workflows.checks import check_results


@pytest.mark.parametrize("name", ["conll2003", "conll2003-best", "conll2003-linear"])
def test_conll2003_ends_with_scores_and_pages(project: Path, run: Callable[[str], list[str]], name: str) -> None:
    run(name)
    check_results(project, name, corpus="conll2003")
    page = (project / "pages" / "conll2003-data.html").read_text(encoding="utf8")
    assert all(f">{split}</th>" in page for split in ("train", "dev", "test"))
    assert all(" fetch " in script for script in run(name))


def test_conll2003_starts_from_a_base_that_was_warmed_up(
    project: Path,
    run: Callable[[str], list[str]],
    tiny_llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run("conll2003-convert")
    monkeypatch.chdir(project)
    base = ["--components.llama_ner.model.tok2vec.base", str(tiny_llama)]
    warm = ["pretrain", "configs/conll2003.cfg", "training/warm", *base]
    train = ["train", "configs/conll2003.cfg", "--output", "training/warmed", *base]
    for command in (warm, [*train, "--paths.init_tok2vec", "training/warm/model-last.bin"]):
        with caplog.at_level(logging.INFO, "spacy"):
            done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output[-3000:]
    assert "Loaded pretrained weights from training/warm/model-last.bin" in caplog.text
    assert (project / "training" / "warmed" / "model-last").is_dir()
