"""The workflow `all` of project.yml, on the real base and a part of the data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
import spacy
import srsly

ROOT = Path(__file__).parents[2]


def shrink_project(folder: Path) -> Path:
    """A copy of the project with little data and few steps."""
    for name in ("assets", "configs"):
        copytree(ROOT / name, folder / name)
    (folder / "project.yml").write_text((ROOT / "project.yml").read_text(encoding="utf8"), encoding="utf8")
    for split, size in {"train": 60, "dev": 10, "test": 10}.items():
        path = folder / "assets" / "requests" / f"{split}.json"
        srsly.write_json(path, srsly.read_json(path)[:size])
    config = folder / "configs" / "requests.cfg"
    lines = config.read_text(encoding="utf8").splitlines()
    few = {"max_steps": 12, "eval_frequency": 6, "warmup_steps": 2}
    fewer = [f"{key} = {few[key]}" if (key := line.split(" = ")[0]) in few else line for line in lines]
    config.write_text("\n".join(fewer), encoding="utf8")
    return folder


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        encoding="utf8",
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.real
def test_all_trains_calibrates_scores_packages_and_shows(tmp_path: Path) -> None:
    project = shrink_project(tmp_path / "project")
    run("spacy", "project", "run", "all", cwd=project)

    scores = srsly.read_json(project / "metrics" / "requests.json")
    assert 0 <= scores["ents_f"] <= 1
    assert scores["ents_token_acc"] > 0.5
    assert 0 <= scores["ents_ece"] <= 1
    assert "</html>" in (project / "pages" / "requests.html").read_text(encoding="utf8")
    assert "Learning curves" in (project / "pages" / "requests-report.html").read_text(encoding="utf8")

    wheels = list((project / "packages").rglob("*.whl"))
    assert len(wheels) == 1
    site = tmp_path / "site"
    run("pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheels[0]), cwd=tmp_path)
    nlp = spacy.load(project / "training" / "requests" / "model-best")
    assert nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module.temperature != 1
    text = "Call Maria at 6 pm on Friday."
    script = f"import en_requests; print([(e.text, e.label_) for e in en_requests.load()({text!r}).ents])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        encoding="utf8",
        check=True,
    )
    assert done.stdout.strip() == str([(e.text, e.label_) for e in nlp(text).ents])
