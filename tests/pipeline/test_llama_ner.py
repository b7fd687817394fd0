"""`nlp.add_pipe("llama_ner")` needs no config, and loads nothing before it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_llama_ner.evaluate import seqeval_score
from spacy_llama_ner.head.architectures import get_loss_settings
from spacy_llama_ner.head.loss import LossSettings
from tests.pipeline.samples import CORPUS, LABELS, annotated, ents, learn_by_heart, make_examples, make_nlp, train


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner")
    return nlp


def test_defaults_are_the_embedded_base_under_a_linear_head(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    encoder = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (encoder.base, encoder.attention, encoder.lora.rank) == ("smollm2-135m", "bidirectional", 16)
    assert ner.model.get_ref("head").attrs["shape"] == ("linear", 0, 0)
    assert get_loss_settings(ner.model) == LossSettings()
    assert (ner.spans_key, ner.overwrite, ner.scorer) == ("llama_ner", False, seqeval_score)
    assert not ner.is_initialized


def test_the_config_says_all_of_it(nlp: Language) -> None:
    again = spacy.blank("en").from_config(nlp.config)
    assert again.config == nlp.config
    assert again.get_pipe("llama_ner").model.get_ref("tok2vec").attrs["settings"].base == "smollm2-135m"


def test_a_config_may_change_one_thing(nlp: Language) -> None:
    other = spacy.blank("en")
    ner = other.add_pipe("llama_ner", config={"model": {"tok2vec": {"attention": "causal", "lora": None}}})
    settings = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (settings.base, settings.attention, settings.lora) == ("smollm2-135m", "causal", None)


def test_tells_what_it_sets_and_what_it_is_scored_by(nlp: Language) -> None:
    meta = nlp.get_pipe_meta("llama_ner")
    assert set(meta.assigns) == {"doc.ents", "token.ent_iob", "token.ent_type"}
    assert meta.default_score_weights["ents_f"] == 1.0
    assert nlp.analyze_pipes()["summary"]["llama_ner"]["assigns"] == meta.assigns


def test_unused_it_says_to_train_or_load(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"no weights yet\. Train it"):
        nlp("Mia Brook")


def test_unknown_settings_are_an_error() -> None:
    with pytest.raises(ValueError, match="unexpected argument: 'basis'"):
        spacy.blank("en").add_pipe("llama_ner", config={"model": {"tok2vec": {"basis": "smollm2-135m"}}})


def test_are_those_of_the_training_data_sorted(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.labels == ()
    assert not ner.is_initialized
    blank.initialize(lambda: make_examples(blank))
    assert ner.is_initialized
    assert ner.labels == ("DATE", "NAME")
    assert ner.label_data == ["DATE", "NAME"]
    assert blank.pipe_labels["llama_ner"] == ["DATE", "NAME"]


def test_may_be_given_instead_of_looked_for(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    ner.initialize(lambda: make_examples(blank), nlp=blank, labels=["TIME", "NAME", "DATE"])
    assert ner.labels == ("TIME", "NAME", "DATE")
    assert ner.model.get_ref("head").get_dim("nO") == 7


def test_may_come_from_a_file(blank: Language, tmp_path: Path) -> None:
    path = tmp_path / "llama_ner.json"
    srsly.write_json(path, ["TIME", "DATE", "NAME"])
    reader = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    blank.config["initialize"]["components"]["llama_ner"] = {"labels": reader}
    blank.initialize(lambda: make_examples(blank))
    assert blank.get_pipe("llama_ner").labels == ("TIME", "DATE", "NAME")


def test_added_before_training_come_first(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.add_label("TIME") == 1
    assert ner.add_label("TIME") == 0
    blank.initialize(lambda: make_examples(blank))
    assert ner.labels == ("TIME", "DATE", "NAME")


def test_initializing_again_keeps_them_and_forgets_the_weights(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    text = CORPUS[0][0]
    before = ner.model.predict([nlp.make_doc(text)])[0]
    nlp.initialize(lambda: make_examples(nlp))
    assert ner.labels == tuple(LABELS)
    assert abs(ner.model.predict([nlp.make_doc(text)])[0] - before).max() > 0.1


def test_outlive_a_memory_zone_that_is_the_first_to_use_them(tiny_llama: Path, trained_folder: Path) -> None:
    trained = spacy.load(trained_folder)
    nlp = make_nlp(tiny_llama)
    nlp.get_pipe("llama_ner").from_disk(trained_folder / "llama_ner", exclude=["vocab"])
    with nlp.memory_zone():
        label = nlp(CORPUS[0][0]).ents[0].label
    assert nlp.vocab.strings[label] == trained.vocab.strings[label] == "NAME"


@pytest.mark.parametrize("texts", [["please water the plants"], [""]])
def test_no_labels_anywhere_is_an_error(blank: Language, texts: list[str]) -> None:
    examples = [Example(blank.make_doc(text), annotated(blank.make_doc(text), [])) for text in texts]
    with pytest.raises(ValueError, match=r"'llama_ner' has no labels.* `add_label` or \[initialize"):
        blank.initialize(lambda: examples)


@pytest.mark.parametrize("label", ["", None, 3])
def test_a_label_is_a_string(blank: Language, label: object) -> None:
    with pytest.raises(ValueError, match="A label is a non-empty string, but"):
        blank.get_pipe("llama_ner").add_label(label)


def test_added_to_a_trained_component_leaves_what_it_knows(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    docs = [nlp.make_doc(text) for text, _ in CORPUS]
    before = ner.model.predict(docs)
    assert ner.add_label("PLACE") == 1
    after = ner.model.predict(docs)
    for old, new in zip(before, after, strict=True):
        assert abs(new[:, :5] - old).max() < 1e-5
        assert new.shape[1] == 7
    assert ner.labels == ("DATE", "NAME", "PLACE")


def test_added_ones_go_when_what_was_saved_before_is_loaded(nlp: Language, tmp_path: Path) -> None:
    ner = nlp.get_pipe("llama_ner")
    before = nlp.to_bytes()
    nlp.to_disk(tmp_path)
    for load in (lambda: nlp.from_bytes(before), lambda: nlp.from_disk(tmp_path)):
        ner.add_label("THING")
        load()
        assert ner.labels == ("DATE", "NAME")
        assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]
        assert ner.add_label("THING") == 1


def test_the_model_stays_what_it_is_where_it_is_not_loaded(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("THING")
    ner.from_bytes(ner.to_bytes(exclude=["model"]), exclude=["model"])
    assert ner.model.get_ref("head").get_dim("nO") == 7
    assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]


def test_added_to_a_trained_component_can_be_learnt_and_saved(nlp: Language, tmp_path: Path) -> None:
    nlp.get_pipe("llama_ner").add_label("THING")
    corpus = [*CORPUS[:2], ("the printer is out of paper again", [("printer", "THING")])]
    examples = [Example(nlp.make_doc(text), annotated(nlp.make_doc(text), pieces)) for text, pieces in corpus]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    assert [ents(nlp(text)) for text, _ in corpus] == [pieces for _, pieces in corpus]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert [ents(again(text)) for text, _ in corpus] == [pieces for _, pieces in corpus]


def test_two_components_have_their_own(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="first", spans_key="first")
    encoder = {"base": str(tiny_llama), "dtype": "float32", "window": 64, "stride": 48}
    nlp.add_pipe("llama_ner", name="second", config={"model": {"tok2vec": encoder}, "spans_key": "second"})
    nlp.get_pipe("second").add_label("TIME")
    train(nlp, make_examples(nlp), steps=1)
    assert nlp.get_pipe("first").labels == ("DATE", "NAME")
    assert nlp.get_pipe("second").labels == ("TIME", "DATE", "NAME")
    assert set(nlp(CORPUS[0][0]).spans) == {"first", "second"}


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
