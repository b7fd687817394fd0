"""Updates, losses and scores, on annotation as it comes."""

from __future__ import annotations

import numpy as np
import pytest
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate import seqeval_score

from .samples import CORPUS, annotated, ents, learn_by_heart, make_examples, train


def one_example(nlp: Language, text: str, pieces: list[tuple[str, str]]) -> Example:
    doc = nlp.make_doc(text)
    return Example(doc, annotated(doc, pieces))


def test_learns_its_examples(trained: Language) -> None:
    for text, pieces in CORPUS:
        assert ents(trained(text)) == pieces


def test_update_lowers_the_loss_and_adds_to_what_is_there(blank: Language) -> None:
    examples = make_examples(blank)
    losses = [step["llama_ner"] for step in train(blank, examples, steps=8)]
    assert losses[-1] < losses[0] / 2
    summed = {"llama_ner": 10.0, "other": 1.0}
    blank.update(examples, losses=summed, sgd=False)
    assert summed["llama_ner"] > 10.0 and summed["other"] == 1.0


def test_without_an_optimizer_nothing_moves(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    before = ner.model.to_bytes()
    nlp.update(make_examples(nlp), sgd=False)
    assert ner.model.to_bytes() == before


def test_gradients_add_up_over_updates(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    weight = ner.model.get_ref("head").shims[0].module.output.weight
    examples = make_examples(nlp)[:1]
    ner.update(examples, sgd=False)
    once = weight.grad.clone()
    ner.update(examples, sgd=False)
    np.testing.assert_allclose(weight.grad.numpy(), 2 * once.numpy(), rtol=1e-3, atol=1e-6)


def test_empty_docs_among_others_are_skipped(nlp: Language) -> None:
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    alone = nlp.update(make_examples(nlp), sgd=False)["llama_ner"]
    among = nlp.update([empty, *make_examples(nlp), empty], sgd=False)["llama_ner"]
    assert among == pytest.approx(alone, rel=1e-4)
    assert nlp.update([empty], sgd=nlp.resume_training())["llama_ner"] == 0.0
    assert nlp.update([]) == {}


def test_docs_without_annotation_teach_nothing(nlp: Language) -> None:
    bare = Example(nlp.make_doc("Who knows"), nlp.make_doc("Who knows"))
    assert nlp.update([bare], sgd=False)["llama_ner"] == 0.0
    head = nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module
    assert not head.output.weight.grad.any()
    alone = nlp.update(make_examples(nlp), sgd=False)["llama_ner"]
    assert nlp.update([bare, *make_examples(nlp)], sgd=False)["llama_ner"] == pytest.approx(alone, rel=1e-4)


def test_partly_missing_annotation_trains_on_what_is_there(blank: Language) -> None:
    doc = blank.make_doc("Mia and Omar met Ada yesterday")
    gold = doc.copy()
    # of "Omar met Ada" nothing is said; "yesterday" is known to be no entity
    gold.set_ents([Span(gold, 0, 1, label="NAME")], missing=[gold[2:5]], default="outside")
    half = Example(doc, gold)
    examples = [half, *make_examples(blank)]
    learn_by_heart(blank, examples)
    found = ents(blank(doc.text))
    assert found[0] == ("Mia", "NAME")
    assert "yesterday" not in [text for text, _ in found]


def test_get_loss_leaves_unknown_words_open(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    doc = nlp.make_doc("Mia and Omar met Ada")
    gold, whole = doc.copy(), doc.copy()
    gold.set_ents([Span(gold, 0, 1, label="NAME")], missing=[gold[2:5]], default="outside")
    whole.set_ents([Span(whole, 0, 1, label="NAME"), Span(whole, 2, 3, label="DATE")], default="outside")
    emissions = ner.model.predict([doc])
    loss, (gradient,) = ner.get_loss([Example(doc, gold)], emissions)
    assert loss > 0
    assert gradient.shape == emissions[0].shape
    # what is not known can only make gold more probable; the losses are means over 2 and 5 known words
    assert 2 * loss < 5 * ner.get_loss([Example(doc, whole)], emissions)[0]
    # at each word, what one tag gains the others lose
    assert abs(gradient.sum(axis=1)).max() < 1e-5


def test_a_label_it_does_not_have_is_an_error(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"'PLACE', which this component does not have.* \['DATE', 'NAME'\]"):
        nlp.update([one_example(nlp, "Meet me in Bristol", [("Bristol", "PLACE")])])


def test_another_tokenization_trains_on_the_words_that_match(blank: Language) -> None:
    words = ["Ask", "Mia", "Bro", "ok", "about", "it", "onFriday"]
    spaces = [True, True, False, True, True, True, False]
    predicted = Doc(blank.vocab, words=words, spaces=spaces)
    gold = Doc(
        blank.vocab, words=["Ask", "Mia", "Brook", "about", "it", "on", "Friday"], spaces=[True] * 5 + [False] * 2
    )
    gold.set_ents([Span(gold, 1, 3, label="NAME"), Span(gold, 6, 7, label="DATE")], default="outside")
    eg = Example(predicted, gold)
    learn_by_heart(blank, [eg, *make_examples(blank)])
    (doc,) = list(blank.pipe([predicted.copy()]))
    assert [(ent.text, ent.label_) for ent in doc.ents if ent.start < 6] == [("Mia Brook", "NAME")]


def test_scores_are_seqevals_and_spacys(trained: Language) -> None:
    examples = make_examples(trained)
    # one gold entity that it does not find, so that no score is 1 by chance
    examples.append(one_example(trained, "please water the plants", [("the plants", "NAME")]))
    scores = trained.evaluate(examples)
    assert 0 < scores["ents_f"] < 1
    predicted = [Example(trained(eg.reference.text), eg.reference) for eg in examples]
    assert scores["ents_f"] == pytest.approx(seqeval_score(predicted)["ents_f"])
    assert scores["ents_f"] == pytest.approx(get_ner_prf(predicted)["ents_f"])
    assert scores["ents_f"] == pytest.approx(Scorer().score_spans(predicted, "ents")["ents_f"])
    assert trained.get_pipe("llama_ner").score(predicted)["ents_f"] == scores["ents_f"]
    assert set(scores["ents_per_type"]) == {"DATE", "NAME"}
    assert 0.9 < scores["ents_token_acc"] < 1


def test_a_component_without_a_scorer_gives_none(blank: Language, trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    bare = type(ner)(blank.vocab, ner.model, scorer=None)
    assert bare.score([]) == {}
