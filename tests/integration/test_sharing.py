"""Components on one base in one process: `llama_ner` beside `llama_ner_generative`, and several `llama_ner`.

They share the base, do not disturb each other, and each leaves the entities of the others as its settings say.
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.adapters import make_recognisers, memory_of
from spacy_llama_ner.pipeline import add_adapter, export_adapter
from spacy_llama_ner.shim.memory import resident_bytes
from tests.generative.samples import make_nlp as make_generative_nlp
from tests.llm.bases import build_chat_llama
from tests.pipeline.samples import (
    CORPUS,
    combine,
    encoder_module,
    ents,
    make_examples,
    make_label_examples,
    make_nlp,
    parameter_addresses,
    scores,
    train,
)

TEXTS = [text for text, _ in CORPUS]
TAGGER, GENERATIVE = "llama_ner", "llama_ner_generative"
REAL_BASE = "smollm2-135m"
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pipeline with one component each, trained a little, on one base."""
    base = build_chat_llama(tmp_path_factory.mktemp("base"))
    folder = tmp_path_factory.mktemp("pipelines")
    for name, make in ((TAGGER, make_nlp), (GENERATIVE, make_generative_nlp)):
        nlp = make(base)
        train(nlp, make_examples(nlp), steps=3)
        nlp.to_disk(folder / name)
    return {name: folder / name for name in (TAGGER, GENERATIVE)}


def module_of(nlp: Language, name: str) -> Any:
    ner: Any = nlp.get_pipe(name)
    model = ner.model if name == GENERATIVE else ner.model.get_ref("tok2vec")
    return model.shims[0].module


def emissions(nlp: Language) -> list[bytes]:
    ner: Any = nlp.get_pipe(TAGGER)
    return [np.asarray(each).tobytes() for each in ner.model.predict([nlp.make_doc(text) for text in TEXTS])]


def generative_predictions(nlp: Language) -> list[Any]:
    ner: Any = nlp.get_pipe(GENERATIVE)
    log_probs = np.asarray(ner.model.predict(ner.make_targets(make_examples(nlp)))).tobytes()
    return [log_probs, *ner.predict([nlp.make_doc(text) for text in TEXTS])]


def test_both_kinds_share_the_tensors_of_the_base(folders: dict[str, Path]) -> None:
    tagger, generative = (spacy.load(folders[name]) for name in (TAGGER, GENERATIVE))
    base = module_of(tagger, TAGGER).base
    assert module_of(generative, GENERATIVE).shared.base is base
    shared = {parameter.data_ptr() for parameter in base.parameters()}
    for own in (module_of(tagger, TAGGER), module_of(generative, GENERATIVE)):
        assert {p.data_ptr() for p in own.parameters() if not p.requires_grad} == shared


@pytest.mark.parametrize("order", [(TAGGER, GENERATIVE), (GENERATIVE, TAGGER)], ids=" then ".join)
def test_neither_kind_changes_a_bit_of_the_other(folders: dict[str, Path], order: tuple[str, str]) -> None:
    predict = {TAGGER: emissions, GENERATIVE: generative_predictions}
    first = spacy.load(folders[order[0]])
    alone = predict[order[0]](first)
    second = spacy.load(folders[order[1]])
    other = predict[order[1]](second)
    assert predict[order[0]](first) == alone
    # training one leaves the other as it is
    examples = make_examples(first)
    optimizer = first.resume_training()
    first.update(examples, sgd=optimizer)
    assert predict[order[0]](first) != alone
    assert predict[order[1]](second) == other
    assert predict[order[0]](spacy.load(folders[order[0]])) == alone


def test_one_kind_has_a_causal_mask_and_the_other_none(folders: dict[str, Path]) -> None:
    nlp = spacy.load(folders[TAGGER])
    nlp.add_pipe(GENERATIVE, source=spacy.load(folders[GENERATIVE]))
    encoder, generator = module_of(nlp, TAGGER), module_of(nlp, GENERATIVE)
    ner: Any = nlp.get_pipe(TAGGER)
    tok2vec = ner.model.get_ref("tok2vec")
    for _ in range(2):
        one, other = tok2vec.predict([nlp.make_doc("Mia met Omar"), nlp.make_doc("Mia met Friday")])
        assert not np.array_equal(one[0], other[0])
        ids = torch.tensor([[5, 60, 70], [5, 60, 80]])
        with torch.inference_mode():
            states = generator._run_decoder(ids, torch.ones_like(ids), None).last_hidden_state
        assert torch.equal(states[0, :2], states[1, :2]) and not torch.equal(states[0, 2], states[1, 2])
    assert encoder.llama.config._attn_implementation != generator.llama.config._attn_implementation


def test_threads_call_both_kinds_at_the_same_time(folders: dict[str, Path]) -> None:
    tagger, generative = (spacy.load(folders[name]) for name in (TAGGER, GENERATIVE))
    expected = {TAGGER: emissions(tagger), GENERATIVE: generative_predictions(generative)}
    wrong: list[str] = []

    def call(name: str, nlp: Language) -> None:
        predict = emissions if name == TAGGER else generative_predictions
        wrong.extend(name for _ in range(5) if predict(nlp) != expected[name])

    threads = [threading.Thread(target=call, args=each) for each in ((TAGGER, tagger), (GENERATIVE, generative))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


Prediction = list[tuple[str, str, float]]


@pytest.fixture
def nlp(people_and_days: dict[str, Path]) -> Language:
    return combine(people_and_days)


def predictions(nlp: Language, name: str) -> list[Prediction]:
    """What one component predicts on the corpus, to the last bit."""
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = nlp.get_pipe(name).predict(docs)
    return [
        [(doc[e.start : e.end].text, e.label, e.score) for e in entities]
        for doc, entities in zip(docs, found, strict=True)
    ]


def test_each_component_predicts_what_it_predicted_alone(nlp: Language, people_and_days: dict[str, Path]) -> None:
    for name, folder in people_and_days.items():
        assert predictions(nlp, name) == predictions(spacy.load(folder), "llama_ner")
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == [pieces for _, pieces in CORPUS]


def test_the_base_is_in_memory_once(nlp: Language, people_and_days: dict[str, Path]) -> None:
    """In one pipeline, and across the pipelines of a process."""
    others = [spacy.load(folder) for folder in people_and_days.values()]
    modules = [encoder_module(nlp, "people"), encoder_module(nlp, "days"), *map(encoder_module, others)]
    assert len({frozenset(parameter_addresses(each, trainable=False)) for each in modules}) == 1
    trained = [parameter_addresses(each, trainable=True) for each in modules]
    assert len(set().union(*trained)) == sum(map(len, trained)) > 0


def test_several_components_are_saved_and_loaded(nlp: Language, tmp_path: Path) -> None:
    expected = {name: predictions(nlp, name) for name in nlp.pipe_names}
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert {name: predictions(again, name) for name in again.pipe_names} == expected
    assert parameter_addresses(encoder_module(again, "people"), trainable=False) == parameter_addresses(
        encoder_module(nlp, "people"), trainable=False
    )


def test_training_one_component_changes_no_bit_of_the_other(nlp: Language) -> None:
    people, days = predictions(nlp, "people"), predictions(nlp, "days")
    weights = nlp.get_pipe("days").to_bytes(exclude=["vocab"])
    with nlp.select_pipes(enable="people"):
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 0.1
        for _ in range(3):
            nlp.update(make_label_examples(nlp, "NAME"), sgd=optimizer)
    assert predictions(nlp, "people") != people
    assert predictions(nlp, "days") == days
    assert nlp.get_pipe("days").to_bytes(exclude=["vocab"]) == weights


def test_threads_never_mix_adapters(nlp: Language) -> None:
    """Two threads, each with 500 calls of one component, alternating as the system lets them."""
    expected = {name: predictions(nlp, name) for name in nlp.pipe_names}
    with ThreadPoolExecutor(max_workers=2) as pool:
        calls = [(name, pool.submit(predictions, nlp, name)) for _ in range(500) for name in nlp.pipe_names]
        wrong = [name for name, call in calls if call.result() != expected[name]]
    assert len(calls) == 1000
    assert wrong == []
    assert expected["people"] != expected["days"]


def test_one_thread_trains_while_the_other_predicts(nlp: Language) -> None:
    expected, clone = predictions(nlp, "days"), copy.deepcopy(nlp)

    def train_people(nlp: Language) -> list[Prediction]:
        ner, optimizer = nlp.get_pipe("people"), nlp.create_optimizer()
        for _ in range(20):
            ner.update(make_label_examples(nlp, "NAME"), sgd=optimizer)
        return predictions(nlp, "people")

    with ThreadPoolExecutor(max_workers=2) as pool:
        training = pool.submit(train_people, nlp)
        found = [pool.submit(predictions, nlp, "days").result() for _ in range(40)]
    assert found == [expected] * 40
    # and the training is the same as alone
    assert training.result() == train_people(clone)


def test_adding_a_component_to_a_loaded_pipeline_takes_no_second(people_and_days: dict[str, Path]) -> None:
    nlp, other = spacy.load(people_and_days["people"]), spacy.load(people_and_days["days"])
    start = perf_counter()
    nlp.add_pipe("llama_ner", name="days", source=other)
    assert perf_counter() - start < 1
    assert nlp.pipe_names == ["llama_ner", "days"]


@pytest.fixture
def three(people_and_days: dict[str, Path]) -> Language:
    """After `people` and `days` a third component, which finds the same as `people` and calls it PERSON."""
    nlp = combine(people_and_days)
    persons = nlp.add_pipe("llama_ner", name="persons", source=spacy.load(people_and_days["people"]))
    head = persons.model.get_ref("head")
    persons.cfg["labels"] = head.attrs["labels"] = head.shims[0].module.labels = ["PERSON"]
    return nlp


def group(doc: Doc, key: str = "llama_ner") -> list[tuple[str, str]]:
    assert len(scores(doc, key)) == len(doc.spans[key])
    return [(span.text, span.label_) for span in doc.spans[key]]


BOTH = [("Mia Brook", "NAME"), ("Friday", "DATE")]


def test_of_entities_that_overlap_the_first_stays(three: Language) -> None:
    doc = three(TEXTS[0])
    assert ents(doc) == group(doc) == BOTH


def test_with_overwrite_the_last_replaces_all_others(three: Language) -> None:
    three.get_pipe("persons").overwrite = True
    doc = three(TEXTS[0])
    assert ents(doc) == group(doc) == [("Mia Brook", "PERSON")]


def test_with_overwrite_null_it_has_a_span_group_of_its_own(three: Language) -> None:
    persons = three.get_pipe("persons")
    persons.overwrite, persons.spans_key = None, "persons"
    doc = three(TEXTS[0])
    assert ents(doc) == group(doc) == BOTH
    assert group(doc, "persons") == [("Mia Brook", "PERSON")]


def test_each_may_have_a_span_group_of_its_own(three: Language) -> None:
    for name in three.pipe_names:
        three.get_pipe(name).spans_key = name
    doc = three(TEXTS[0])
    assert ents(doc) == BOTH
    assert {name: group(doc, name) for name in three.pipe_names} == {
        "people": BOTH[:1],
        "days": BOTH[1:],
        "persons": [],
    }


def test_a_shared_span_group_has_the_scores_of_each(nlp: Language) -> None:
    doc = nlp(TEXTS[0])
    assert scores(doc) == [predictions(nlp, "people")[0][0][2], predictions(nlp, "days")[0][0][2]]
    # also if the doc is annotated again
    assert scores(nlp(doc)) == scores(doc) and group(doc) == BOTH


@pytest.fixture(scope="module")
def real_nlp() -> Language:
    """Three components on the real base."""
    return make_recognisers(REAL_BASE, 3)


@pytest.mark.real
def test_three_on_one_base_take_at_most_a_tenth_more_memory_than_one(real_nlp: Language, tmp_path: Path) -> None:
    real_nlp.to_disk(tmp_path / "three")
    make_recognisers(REAL_BASE, 1).to_disk(tmp_path / "one")
    assert memory_of(tmp_path / "three") < 1.1 * memory_of(tmp_path / "one")


@pytest.mark.real
def test_one_more_takes_its_few_megabytes_and_less_than_a_second(real_nlp: Language, tmp_path: Path) -> None:
    export_adapter(real_nlp, tmp_path / "adapter", pipe="ner0")
    size = sum(path.stat().st_size for path in (tmp_path / "adapter").iterdir())
    assert 15 * MEGABYTE < size < 25 * MEGABYTE
    before, seconds = resident_bytes(), []
    for name in ("first", "second", "third"):
        start = perf_counter()
        add_adapter(real_nlp, tmp_path / "adapter", name=name, config={"overwrite": None, "spans_key": name})
        seconds.append(perf_counter() - start)
    # the quickest, since others may be at work on this machine; it is 0.3 s where nobody is
    assert min(seconds) < 1
    assert resident_bytes() - before < 3 * 3 * size
