"""Labels that a large model really gave, with the dirt that such labels have; read where they lie, never copied."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.llm.backends.base import Reply
from spacy_llama_ner.llm.labelling import Labeller
from spacy_llama_ner.llm.prompts import LabellingPrompt
from tests.llm.formats.check import NLP

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
LABELS = {"PER": "", "ORG": "", "LOC": "", "MISC": ""}


def sentences(path: Path) -> list[list[tuple[str, str]]]:
    """Words with the tag in the last column."""
    blocks = path.read_text(encoding="utf8").split("\n\n")
    rows = [[line.split() for line in block.splitlines() if line.strip()] for block in blocks]
    return [[(row[0], row[-1]) for row in block] for block in rows if block]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")
def test_every_sentence_is_read_and_scores_what_its_source_says() -> None:
    labeller = Labeller(LabellingPrompt("words"), LABELS)
    gold = {tuple(word for word, _ in rows): rows for rows in sentences(DATA / "conll2003" / "train.txt")}
    problems: Counter[str] = Counter()
    right = found = wanted = 0
    silver = sentences(DATA / "llm_annotated" / "llama3.1-405b_conll2003_train.txt")
    for rows in silver:
        words = [word for word, _ in rows]
        labelled = labeller.parse(Reply(json.dumps(rows), 1, 1, 0.1), Doc(NLP.vocab, words=words))
        problems.update(problem.problem for problem in labelled.problems)
        ents = {(ent.start, ent.end, ent.label_) for ent in labelled.doc.ents}
        known = {
            (ent.start, ent.end, ent.label_)
            for ent in Doc(NLP.vocab, words=words, ents=[tag for _, tag in gold[tuple(words)]]).ents
        }
        right, found, wanted = right + len(ents & known), found + len(ents), wanted + len(known)
    precision, recall = right / found, right / wanted
    assert len(silver) == 2037
    assert problems["unknown tag"] == 9
    assert problems["I- without B-"] > 0
    assert (round(precision, 2), round(recall, 2)) == (0.36, 0.63)
