"""`spacy package` makes a wheel that can be installed and loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest
from spacy.language import Language

from tests.pipeline.samples import CORPUS, ents

CHILD = """
import spacy
nlp = spacy.load("en_meetings")
for text in {texts!r}:
    print([(ent.text, ent.label_) for ent in nlp(text).ents])
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_package_installs_and_loads_elsewhere(trained: Language, trained_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("build")
    options = ["--name", "meetings", "--version", "1.2.3", "--build", "wheel"]
    (tmp_path / "packages").mkdir()
    run("-m", "spacy", "package", str(trained_folder), "packages", *options, cwd=tmp_path)
    (wheel,) = (tmp_path / "packages").rglob("*.whl")

    with ZipFile(wheel) as content:
        (name,) = [name for name in content.namelist() if name.endswith("METADATA")]
        required = message_from_bytes(content.read(name)).get_all("Requires-Dist")
    assert any(line.replace("-", "_").startswith("spacy_llama_ner") for line in required)

    site = tmp_path / "site"
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(site), str(wheel), cwd=tmp_path)
    script = CHILD.format(texts=[text for text, _ in CORPUS])
    output = run("-c", script, cwd=tmp_path, PYTHONPATH=str(site))
    assert output.splitlines() == [str(ents(trained(text))) for text, _ in CORPUS]
