"""Fixed examples: the same few solved texts for every question."""

from __future__ import annotations

import pytest
import spacy
from spacy_llama_ner.annotate.examples import ExampleError, fixed_examples, keep_labels

from ..evaluate.sample import GOLD, gold_doc

NLP = spacy.blank("en")


def test_fixed_examples_show_every_label_as_early_as_they_can() -> None:
    pool = keep_labels([gold_doc(NLP, *row) for row in GOLD], ["NAME", "DATE", "EMAIL"])
    assert [ent.label_ for doc in pool for ent in doc.ents] == ["NAME", "DATE", "EMAIL", "NAME"]
    chosen = fixed_examples(pool, 2)(NLP("x"))
    assert [doc.text for doc in chosen] == [GOLD[0][0], GOLD[1][0]]
    assert len(fixed_examples(pool, 9)(NLP("x"))) == 3
    # the text that is asked about is not given away
    assert [doc.text for doc in fixed_examples(pool, 2)(NLP(GOLD[0][0]))] == [GOLD[1][0]]


def test_examples_without_any_of_the_labels_are_refused() -> None:
    with pytest.raises(ExampleError, match="no entity with one of the labels PLACE"):
        keep_labels([gold_doc(NLP, *GOLD[0])], ["PLACE"])
