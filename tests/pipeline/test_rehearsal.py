"""What a trained component knows while it learns a new label, with rehearsal and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed

from .samples import CORPUS, annotated, make_examples, train

# places alone are annotated: whoever learns this learns as well that there are no names and days
NEW = [
    ("Mia Brook flew to Oslo on Friday", [("Oslo", "PLACE")]),
    ("On Monday Omar came back from Turin", [("Turin", "PLACE")]),
    ("is Lima far from here", [("Lima", "PLACE")]),
]


def new_examples(nlp: Language) -> list[Example]:
    return [Example(nlp.make_doc(text), annotated(nlp.make_doc(text), pieces)) for text, pieces in NEW]


def raw_examples(nlp: Language) -> list[Example]:
    """Old texts without annotation."""
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text, _ in CORPUS]


def learn_places(nlp: Language, *, rehearse: bool, steps: int = 40) -> dict[str, float]:
    """Teach a trained pipeline the label PLACE; give the losses of the last step."""
    fix_random_seed(0)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    nlp.get_pipe("llama_ner").add_label("PLACE")
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = {}
        nlp.update(new_examples(nlp), sgd=optimizer, losses=losses)
        if rehearse:
            nlp.rehearse(raw_examples(nlp), sgd=optimizer, losses=losses)
    return losses


def f1(nlp: Language) -> float:
    """On the old data."""
    return float(nlp.evaluate(make_examples(nlp))["ents_f"])


def found_places(nlp: Language) -> list[str]:
    return [ent.text for doc in nlp.pipe(text for text, _ in NEW) for ent in doc.ents if ent.label_ == "PLACE"]


def weights(nlp: Language) -> Any:
    return nlp.get_pipe("llama_ner").model.to_bytes()


def test_without_it_the_old_labels_are_forgotten_and_with_it_kept(trained_folder: Path) -> None:
    plain, rehearsed = spacy.load(trained_folder), spacy.load(trained_folder)
    assert f1(plain) == 1
    learn_places(plain, rehearse=False)
    learn_places(rehearsed, rehearse=True)
    assert found_places(plain) == found_places(rehearsed) == ["Oslo", "Turin", "Lima"]
    assert f1(plain) < 0.5
    assert f1(rehearsed) > 0.8


def test_a_model_that_has_not_moved_has_nothing_to_learn(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    losses = nlp.rehearse(raw_examples(nlp), sgd=optimizer)
    assert losses == {"llama_ner": pytest.approx(0, abs=1e-4)}
    nlp.get_pipe("llama_ner").add_label("PLACE")
    added = {"llama_ner": 5.0}
    assert nlp.rehearse(raw_examples(nlp), sgd=optimizer, losses=added) is added
    assert 5.0 < added["llama_ner"] < 6.0


def test_it_steps_with_the_rates_of_spacys_optimizer(nlp: Language) -> None:
    """`nlp.rehearse` gives components a function in its place."""
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.0
    nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.get_pipe("llama_ner").add_label("PLACE")
    before = weights(nlp)
    nlp.rehearse(raw_examples(nlp), sgd=optimizer)
    assert weights(nlp) == before
    optimizer.learn_rate = 0.01
    nlp.rehearse(raw_examples(nlp), sgd=optimizer)
    assert weights(nlp) != before


def test_without_an_optimizer_gradients_wait_for_the_next_step(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("PLACE")
    before = weights(nlp)
    assert set(ner.rehearse(raw_examples(nlp))) == {"llama_ner"}
    assert weights(nlp) == before
    ner.finish_update(optimizer)
    assert weights(nlp) != before


def test_the_annotation_of_the_texts_plays_no_part(nlp: Language) -> None:
    nlp.resume_training()
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("PLACE")
    assert ner.rehearse(raw_examples(nlp)) == pytest.approx(ner.rehearse(make_examples(nlp)))


def test_empty_texts_teach_nothing(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.rehearse([empty, empty], sgd=optimizer) == {"llama_ner": 0.0}
    assert nlp.rehearse([], sgd=optimizer) == {}
    among = nlp.rehearse([empty, *raw_examples(nlp)], sgd=optimizer)
    assert among["llama_ner"] == pytest.approx(0, abs=1e-4)


def test_without_resumed_training_it_says_so(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"'llama_ner' has nothing to rehearse.* `nlp.resume_training\(\)` first"):
        nlp.get_pipe("llama_ner").rehearse(raw_examples(nlp))


def test_an_untrained_component_says_so(blank: Language) -> None:
    blank.get_pipe("llama_ner").add_label("NAME")
    blank.resume_training()
    with pytest.raises(ValueError, match="Load a trained pipeline"):
        blank.rehearse(raw_examples(blank))


def test_initializing_anew_ends_it(nlp: Language) -> None:
    nlp.resume_training()
    train(nlp, make_examples(nlp), steps=1)
    with pytest.raises(ValueError, match="has nothing to rehearse"):
        nlp.rehearse(raw_examples(nlp))
