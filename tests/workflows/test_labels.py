"""The workflows about where labels come from: silver, active-learning, budget and continual."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.training import Corpus


def test_silver_labels_are_set_beside_gold_ones_of_the_same_sentences(
    project: Path, run: Callable[[str], list[str]]
) -> None:
    run("silver")
    agreement = srsly.read_json(project / "metrics" / "silver-labels.json")
    assert (agreement["docs"], agreement["unmatched"]) == (30, 1)
    assert agreement["ents_per_type"]["PER"]["f"] == 1
    assert agreement["ents_per_type"]["ORG"]["f"] == 0 < agreement["ents_f"] < 1
    nlp = spacy.blank("en")
    silver, gold = (
        [eg.reference for eg in Corpus(project / "corpus" / "silver" / f"{name}.spacy")(nlp)]
        for name in ("silver", "gold")
    )
    assert [doc.text for doc in silver] == [doc.text for doc in gold]
    assert [doc.ents for doc in silver] != [doc.ents for doc in gold]

    found = srsly.read_json(project / "metrics" / "silver.json")["data"]
    assert list(found) == [f"corpus/conll2003-sentences/{split}.spacy" for split in ("dev", "test")]
    for name, side in (("silver", "first"), ("gold", "second")):
        nlp = spacy.load(project / "training" / "silver" / name / "model-best")
        for data, labels in found.items():
            scores = nlp.evaluate(list(Corpus(project / data)(nlp)))
            assert labels["all"][side]["f"] == pytest.approx(scores["ents_f"], abs=1e-6)
    page = (project / "pages" / "silver.html").read_text(encoding="utf8")
    assert "<h1>silver beside gold</h1>" in page and page.endswith("</html>\n")
    assert all(" fetch " in script for script in run("silver"))


def test_gold_labels_are_bought_round_by_round(project: Path, run: Callable[[str], list[str]]) -> None:
    run("active-learning")
    history = list(srsly.read_jsonl(project / "training" / "active" / "history.jsonl"))
    assert [line["round"] for line in history] == [0, 1, 2]
    words = [line["gold"]["words"] for line in history]
    assert 0 < words[0] <= 20 < words[1] <= 50 < words[2] <= 60
    nlp = spacy.load(project / "training" / "active" / "model-best")
    scores = srsly.read_json(project / "metrics" / "active.json")
    again = nlp.evaluate(list(Corpus(project / "corpus" / "conll2003-sentences" / "test.spacy")(nlp)))
    assert scores["ents_f"] == pytest.approx(again["ents_f"], abs=1e-6)
    assert all(" fetch " in script for script in run("active-learning"))


def test_a_frozen_base_chooses_what_another_learns(project: Path, run: Callable[[str], list[str]]) -> None:
    run("active-frozen")
    history = list(srsly.read_jsonl(project / "training" / "active-frozen" / "history.jsonl"))
    bought = list(Corpus(project / "training" / "active-frozen" / "gold.spacy")(spacy.blank("en")))
    assert sum(len(eg.reference) for eg in bought) == history[-1]["gold"]["words"] > 0
    for name, lora in (("active-frozen", None), ("active-tuned", {"rank": 16, "alpha": 32})):
        nlp = spacy.load(project / "training" / name / "model-best")
        assert nlp.config["components"]["llama_ner"]["model"]["tok2vec"]["lora"] == lora
        scores = srsly.read_json(project / "metrics" / f"{name}.json")
        again = nlp.evaluate(list(Corpus(project / "corpus" / "conll2003-sentences" / "test.spacy")(nlp)))
        assert scores["ents_f"] == pytest.approx(again["ents_f"], abs=1e-6)
    assert all(" fetch " in script for script in run("active-frozen"))


@pytest.mark.parametrize("workflow", ["budget", "budget-frozen"])
def test_shares_of_gold_are_measured_beside_silver(
    workflow: str, project: Path, run: Callable[[str], list[str]]
) -> None:
    run(workflow)
    rows = srsly.read_json(project / "training" / workflow / "budget.json")["rows"]
    found = [(row["line"], row["share"], row["folds"]) for row in rows]
    assert found == [("mixed", 0.0, 2), ("mixed", 0.2, 2), ("gold", 1.0, 2)]
    assert rows[0]["cost"] == 0 < rows[1]["cost"] < rows[2]["cost"]
    assert all(" fetch " in script for script in run(workflow))


def test_new_labels_for_a_trained_recogniser(project: Path, run: Callable[[str], list[str]]) -> None:
    *_, evaluate = run("continual")
    assert "--before training/continual/old/model-best" in evaluate
    scores = srsly.read_json(project / "metrics" / "continual.json")
    assert scores["before"].keys() <= scores.keys()
    old, new = (
        spacy.load(project / "training" / "continual" / name) for name in ("old/model-best", "new/model-last")
    )
    assert old.get_pipe("llama_ner").labels == ("EMAIL", "NAME")
    assert new.get_pipe("llama_ner").labels == ("EMAIL", "NAME", "DATE", "TIME")
