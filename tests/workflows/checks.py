"""What every workflow leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly
from spacy.training import Corpus

from spacy_llama_ner.evaluate.predict import predict_and_score

ROOT = Path(__file__).parent.parent.parent


def check_results(
    project: Path, name: str, *, corpus: str = "conll2003-sentences", pipeline: str = "model-best"
) -> None:
    """Scores, curves and a page of the training `name`, and a pipeline whose scores they are.

    Args:
        corpus: Folder of the test data.
        pipeline: Which of the training's pipelines is scored.
    """
    scores = srsly.read_json(project / "metrics" / f"{name}.json")
    lines = list(srsly.read_jsonl(project / "training" / name / "curve.jsonl"))
    assert [line["step"] for line in lines] == [0, 2, 4]
    assert all(line[split]["loss"] > 0 for line in lines for split in ("train", "dev"))
    page = (project / "pages" / f"{name}.html").read_text(encoding="utf8")
    assert page.endswith("</html>\n") and "Learning curves" in page
    nlp = spacy.load(project / "training" / name / pipeline)
    gold = Corpus(project / "corpus" / corpus / "test.spacy")
    again = nlp.evaluate(list(gold(nlp)))
    for key in ("ents_p", "ents_r", "ents_f", "ents_token_acc"):
        assert scores[key] == pytest.approx(again[key], abs=1e-6)
    # spaCy does not have this one, by which a calibrated pipeline differs; without an entity there is none
    again = predict_and_score(nlp, list(gold(nlp)))
    assert scores.get("ents_ece") == pytest.approx(again.get("ents_ece"), abs=1e-6)
