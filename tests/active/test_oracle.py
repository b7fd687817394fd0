"""Gold data in the part of the expert."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_llama_ner.active.oracle import GoldOracle, OracleError, check_answers
from spacy_llama_ner.data.bio_tags import doc_tags
from spacy_llama_ner.data.docs import unlabelled
from tests.active.samples import make_doc, make_gold


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    DocBin(docs=make_gold(Vocab(), 10)).to_disk(tmp_path / "gold.spacy")
    return tmp_path / "gold.spacy"


def test_answers_are_gold_labels_in_the_order_of_the_questions(gold: Path) -> None:
    known = make_gold(Vocab(), 10)
    asked = [unlabelled(known[i]) for i in (7, 0, 3)]
    answers = GoldOracle(gold).ask(asked)
    check_answers(asked, answers)
    assert [doc_tags(doc) for doc in answers] == [doc_tags(known[i]) for i in (7, 0, 3)]


def test_an_unknown_doc_and_missing_gold_data_are_refused(gold: Path, tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="has no doc with the words 'a sentence of its own"):
        GoldOracle(gold).ask([make_doc(Vocab(), "a sentence of its own", [])])
    with pytest.raises(OracleError, match="do not exist"):
        GoldOracle(tmp_path / "no.spacy")
    with pytest.raises(OracleError, match="None do not exist"):
        GoldOracle(None)


def test_answers_have_to_fit_their_questions() -> None:
    docs = make_gold(Vocab(), 3)
    with pytest.raises(OracleError, match="asked about 3 docs and answered 2"):
        check_answers(docs, docs[:2])
    with pytest.raises(OracleError, match="Answer 2 of 3"):
        check_answers(docs, [docs[0], docs[2], docs[1]])
