"""Sentences in capitals, for training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from spacy_llama_ner.data.capitals import make_capitals
from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.tags import doc_tags

NLP = spacy.blank("en")
WORDS = ["Ana", "saw", "Weiß", ".", "Oslo", "waits"]
ENTS = ["B-PER", "O", "B-PER", "O", "B-LOC", "O"]
STARTS = [True, False, False, False, True, False]


def example(*, sentences: bool = True) -> Example:
    doc = Doc(NLP.vocab, words=WORDS, ents=ENTS, sent_starts=STARTS if sentences else None)
    return Example(Doc(NLP.vocab, words=WORDS, spaces=[True] * 6), doc)


def words(given: Example) -> list[str]:
    return [word.text for word in given.predicted]


def test_words_and_entities_stay_what_they_are() -> None:
    (given,) = make_capitals(1.0)(NLP, example())
    assert words(given) == ["ANA", "SAW", "WEIß", ".", "OSLO", "WAITS"]
    assert given.predicted.text == "ANA SAW WEIß . OSLO WAITS "
    assert given.get_aligned_ner() == ["U-PER", "O", "U-PER", "O", "U-LOC", "O"]
    assert doc_tags(given.reference) == ENTS


def test_none_at_level_0() -> None:
    (given,) = make_capitals(0.0)(NLP, example())
    assert words(given) == WORDS and given.predicted.text == example().predicted.text


def test_each_sentence_is_drawn_for_itself() -> None:
    random.seed(0)
    drawn = [words(next(iter(make_capitals(0.5)(NLP, example())))) for _ in range(400)]
    kinds = {(given[0].isupper(), given[1].isupper(), given[4].isupper(), given[5].isupper()) for given in drawn}
    assert kinds == {(a, a, b, b) for a in (False, True) for b in (False, True)}
    assert 0.4 < sum(given[0] == "ANA" for given in drawn) / 400 < 0.6


def test_without_sentence_boundaries_a_doc_is_one_sentence() -> None:
    drawn = {tuple(words(next(iter(make_capitals(0.5)(NLP, example(sentences=False)))))) for _ in range(100)}
    assert drawn == {tuple(WORDS), ("ANA", "SAW", "WEIß", ".", "OSLO", "WAITS")}


def test_a_corpus_takes_it_and_draws_anew_at_each_pass(tmp_path: Path) -> None:
    write_docbin([example().reference] * 50, tmp_path / "train.spacy")
    read = spacy.registry.resolve(
        {
            "reader": {
                "@readers": "spacy_llama_ner.StratifiedCorpus.v1",
                "path": str(tmp_path / "train.spacy"),
                "augmenter": {"@augmenters": "spacy_llama_ner.capitals.v1", "level": 0.3},
            }
        }
    )["reader"]
    random.seed(0)
    first, second = ([words(given) for given in read(NLP)] for _ in range(2))
    assert first != second
    assert len(first) == 50 and 0 < sum(given[4] == "OSLO" for given in first) < 50
    assert [words(given) for given in Corpus(tmp_path / "train.spacy")(NLP)] == [WORDS] * 50


@pytest.mark.parametrize("level", [-0.1, 1.1])
def test_a_level_out_of_range_is_named(level: float) -> None:
    with pytest.raises(ValueError, match=rf"`level` is {level}; it must be from 0 to 1"):
        make_capitals(level)
