"""Training of `llama_ner`: updates, the loss, and rehearsal of what it has learned before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed

from tests.pipeline.samples import (
    CORPUS,
    ents,
    f1,
    find_places,
    learn_by_heart,
    make_example,
    make_examples,
    make_place_examples,
    make_unannotated_examples,
    train,
)


def test_it_learns_its_examples(trained: Language) -> None:
    for text, pieces in CORPUS:
        assert ents(trained(text)) == pieces


def test_updates_lower_the_loss_and_add_it_to_given_losses(blank: Language) -> None:
    examples = make_examples(blank)
    losses = [step["llama_ner"] for step in train(blank, examples, steps=8)]
    assert losses[-1] < losses[0] / 2
    summed = {"llama_ner": 10.0, "other": 1.0}
    blank.update(examples, losses=summed, sgd=False)
    assert summed["llama_ner"] > 10.0 and summed["other"] == 1.0


def test_an_update_without_an_optimizer_changes_no_weights(nlp: Language) -> None:
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


def test_docs_without_annotation_have_no_loss(nlp: Language) -> None:
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
        nlp.update([make_example(nlp, "Meet me in Bristol", [("Bristol", "PLACE")])])


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


def learn_places(nlp: Language, *, rehearse: bool, steps: int = 40) -> dict[str, float]:
    """Teach a trained pipeline the label PLACE, and return the losses of the last step."""
    fix_random_seed(0)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    nlp.get_pipe("llama_ner").add_label("PLACE")
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = {}
        nlp.update(make_place_examples(nlp), sgd=optimizer, losses=losses)
        if rehearse:
            nlp.rehearse(make_unannotated_examples(nlp), sgd=optimizer, losses=losses)
    return losses


def weights(nlp: Language) -> bytes:
    return nlp.get_pipe("llama_ner").model.to_bytes()


def test_without_rehearsal_old_labels_are_forgotten(trained_folder: Path) -> None:
    plain, rehearsed = spacy.load(trained_folder), spacy.load(trained_folder)
    assert f1(plain) == 1
    learn_places(plain, rehearse=False)
    learn_places(rehearsed, rehearse=True)
    assert find_places(plain) == find_places(rehearsed) == ["Oslo", "Turin", "Lima"]
    assert f1(plain) < 0.5
    assert f1(rehearsed) > 0.8


def test_rehearsal_of_an_unchanged_model_has_no_loss(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    losses = nlp.rehearse(make_unannotated_examples(nlp), sgd=optimizer)
    assert losses == {"llama_ner": pytest.approx(0, abs=1e-4)}
    nlp.get_pipe("llama_ner").add_label("PLACE")
    added = {"llama_ner": 5.0}
    assert nlp.rehearse(make_unannotated_examples(nlp), sgd=optimizer, losses=added) is added
    assert 5.0 < added["llama_ner"] < 6.0


def test_rehearsal_takes_steps_of_the_optimizers_learning_rate(nlp: Language) -> None:
    """`nlp.rehearse` gives components a function in its place."""
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.0
    nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.get_pipe("llama_ner").add_label("PLACE")
    before = weights(nlp)
    nlp.rehearse(make_unannotated_examples(nlp), sgd=optimizer)
    assert weights(nlp) == before
    optimizer.learn_rate = 0.01
    nlp.rehearse(make_unannotated_examples(nlp), sgd=optimizer)
    assert weights(nlp) != before


def test_rehearsal_without_an_optimizer_adds_gradients_to_the_next_step(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("PLACE")
    before = weights(nlp)
    assert set(ner.rehearse(make_unannotated_examples(nlp))) == {"llama_ner"}
    assert weights(nlp) == before
    ner.finish_update(optimizer)
    assert weights(nlp) != before


def test_rehearsal_does_not_read_annotation(nlp: Language) -> None:
    nlp.resume_training()
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("PLACE")
    assert ner.rehearse(make_unannotated_examples(nlp)) == pytest.approx(ner.rehearse(make_examples(nlp)))


def test_rehearsal_of_empty_texts_has_no_loss(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.rehearse([empty, empty], sgd=optimizer) == {"llama_ner": 0.0}
    assert nlp.rehearse([], sgd=optimizer) == {}
    among = nlp.rehearse([empty, *make_unannotated_examples(nlp)], sgd=optimizer)
    assert among["llama_ner"] == pytest.approx(0, abs=1e-4)


def test_rehearsal_needs_resumed_training(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"'llama_ner' has nothing to rehearse.* `nlp.resume_training\(\)` first"):
        nlp.get_pipe("llama_ner").rehearse(make_unannotated_examples(nlp))


def test_rehearsal_needs_a_trained_component(blank: Language) -> None:
    blank.get_pipe("llama_ner").add_label("NAME")
    blank.resume_training()
    with pytest.raises(ValueError, match="Load a trained pipeline"):
        blank.rehearse(make_unannotated_examples(blank))


def test_initializing_ends_rehearsal(nlp: Language) -> None:
    nlp.resume_training()
    train(nlp, make_examples(nlp), steps=1)
    with pytest.raises(ValueError, match="has nothing to rehearse"):
        nlp.rehearse(make_unannotated_examples(nlp))
