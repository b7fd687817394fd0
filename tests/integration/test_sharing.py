"""A component that reads without the causal mask and one that writes with it, on one base in one process."""

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

from tests.generative.samples import make_nlp as make_writer_nlp
from tests.llm.bases import build_chat_llama
from tests.pipeline.recognisers import addresses, examples_of, module, together
from tests.pipeline.samples import CORPUS, ents, make_examples, make_nlp, scores, train
from tests.pipeline.samples import make_nlp as make_reader_nlp

TEXTS = [text for text, _ in CORPUS]
READS, WRITES = "llama_ner", "llama_ner_generative"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pipeline with one component each, trained a little, on one base."""
    base = build_chat_llama(tmp_path_factory.mktemp("base"))
    folder = tmp_path_factory.mktemp("pipelines")
    for name, make in ((READS, make_reader_nlp), (WRITES, make_writer_nlp)):
        nlp = make(base)
        train(nlp, make_examples(nlp), steps=3)
        nlp.to_disk(folder / name)
    return {name: folder / name for name in (READS, WRITES)}


def module_of(nlp: Language, name: str) -> Any:
    ner: Any = nlp.get_pipe(name)
    model = ner.model if name == WRITES else ner.model.get_ref("tok2vec")
    return model.shims[0].module


def emissions(nlp: Language) -> list[bytes]:
    ner: Any = nlp.get_pipe(READS)
    return [np.asarray(each).tobytes() for each in ner.model.predict([nlp.make_doc(text) for text in TEXTS])]


def answers(nlp: Language) -> list[Any]:
    ner: Any = nlp.get_pipe(WRITES)
    lessons = ner._lessons(make_examples(nlp))
    told = np.asarray(ner.model.predict(lessons)).tobytes()
    return [told, *ner.predict([nlp.make_doc(text) for text in TEXTS])]


def test_both_stand_on_the_same_tensors(folders: dict[str, Path]) -> None:
    reader, writer = (spacy.load(folders[name]) for name in (READS, WRITES))
    base = module_of(reader, READS).base
    assert module_of(writer, WRITES).desk.base is base
    shared = {parameter.data_ptr() for parameter in base.parameters()}
    for own in (module_of(reader, READS), module_of(writer, WRITES)):
        assert {p.data_ptr() for p in own.parameters() if not p.requires_grad} == shared


@pytest.mark.parametrize("order", [(READS, WRITES), (WRITES, READS)], ids=" then ".join)
def test_neither_disturbs_the_other_to_the_bit(folders: dict[str, Path], order: tuple[str, str]) -> None:
    say = {READS: emissions, WRITES: answers}
    first = spacy.load(folders[order[0]])
    alone = say[order[0]](first)
    second = spacy.load(folders[order[1]])
    other = say[order[1]](second)
    assert say[order[0]](first) == alone
    # training one leaves the other as it is
    examples = make_examples(first)
    optimizer = first.resume_training()
    first.update(examples, sgd=optimizer)
    assert say[order[0]](first) != alone
    assert say[order[1]](second) == other
    assert say[order[0]](spacy.load(folders[order[0]])) == alone


def test_one_sees_both_sides_and_the_other_the_left_one(folders: dict[str, Path]) -> None:
    nlp = spacy.load(folders[READS])
    nlp.add_pipe(WRITES, source=spacy.load(folders[WRITES]))
    reader, writer = module_of(nlp, READS), module_of(nlp, WRITES)
    ner: Any = nlp.get_pipe(READS)
    tok2vec = ner.model.get_ref("tok2vec")
    for _ in range(2):
        one, other = tok2vec.predict([nlp.make_doc("Mia met Omar"), nlp.make_doc("Mia met Friday")])
        assert not np.array_equal(one[0], other[0])
        ids = torch.tensor([[5, 60, 70], [5, 60, 80]])
        with torch.inference_mode():
            states = writer._step(ids, torch.ones_like(ids), None).last_hidden_state
        assert torch.equal(states[0, :2], states[1, :2]) and not torch.equal(states[0, 2], states[1, 2])
    assert reader.llama.config._attn_implementation != writer.llama.config._attn_implementation


def test_threads_call_both_at_the_same_time(folders: dict[str, Path]) -> None:
    reader, writer = (spacy.load(folders[name]) for name in (READS, WRITES))
    expected = {READS: emissions(reader), WRITES: answers(writer)}
    wrong: list[str] = []

    def call(name: str, nlp: Language) -> None:
        say = emissions if name == READS else answers
        wrong.extend(name for _ in range(5) if say(nlp) != expected[name])

    threads = [threading.Thread(target=call, args=each) for each in ((READS, reader), (WRITES, writer))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


Answer = list[tuple[str, str, float]]


@pytest.fixture
def nlp(recognisers: dict[str, Path]) -> Language:
    return together(recognisers)


def sharing_answers(nlp: Language, name: str) -> list[Answer]:
    """What one component says of the corpus, to the last bit."""
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = nlp.get_pipe(name).predict(docs)
    return [
        [(doc[e.start : e.end].text, e.label, e.score) for e in entities]
        for doc, entities in zip(docs, found, strict=True)
    ]


def test_each_says_what_it_said_alone(nlp: Language, recognisers: dict[str, Path]) -> None:
    for name, folder in recognisers.items():
        assert sharing_answers(nlp, name) == sharing_answers(spacy.load(folder), "llama_ner")
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == [pieces for _, pieces in CORPUS]


def test_the_base_is_in_memory_once(nlp: Language, recognisers: dict[str, Path]) -> None:
    """In one pipeline, and across the pipelines of a process."""
    others = [spacy.load(folder) for folder in recognisers.values()]
    modules = [module(nlp, "people"), module(nlp, "days"), *map(module, others)]
    assert len({frozenset(addresses(each, trained=False)) for each in modules}) == 1
    trained = [addresses(each, trained=True) for each in modules]
    assert len(set().union(*trained)) == sum(map(len, trained)) > 0


def test_all_of_it_is_saved_and_loaded(nlp: Language, tmp_path: Path) -> None:
    expected = {name: sharing_answers(nlp, name) for name in nlp.pipe_names}
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert {name: sharing_answers(again, name) for name in again.pipe_names} == expected
    assert addresses(module(again, "people"), trained=False) == addresses(module(nlp, "people"), trained=False)


def test_training_one_leaves_the_other_as_it_is_to_the_bit(nlp: Language) -> None:
    people, days = sharing_answers(nlp, "people"), sharing_answers(nlp, "days")
    weights = nlp.get_pipe("days").to_bytes(exclude=["vocab"])
    with nlp.select_pipes(enable="people"):
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 0.1
        for _ in range(3):
            nlp.update(examples_of(nlp, "NAME"), sgd=optimizer)
    assert sharing_answers(nlp, "people") != people
    assert sharing_answers(nlp, "days") == days
    assert nlp.get_pipe("days").to_bytes(exclude=["vocab"]) == weights


def test_threads_never_mix_adapters(nlp: Language) -> None:
    """Two threads, each with 500 calls of one component, alternating as the system lets them."""
    expected = {name: sharing_answers(nlp, name) for name in nlp.pipe_names}
    with ThreadPoolExecutor(max_workers=2) as pool:
        calls = [(name, pool.submit(sharing_answers, nlp, name)) for _ in range(500) for name in nlp.pipe_names]
        wrong = [name for name, call in calls if call.result() != expected[name]]
    assert len(calls) == 1000
    assert wrong == []
    assert expected["people"] != expected["days"]


def test_one_thread_trains_while_the_other_predicts(nlp: Language) -> None:
    expected, lone = sharing_answers(nlp, "days"), copy.deepcopy(nlp)

    def train(nlp: Language) -> list[Answer]:
        ner, optimizer = nlp.get_pipe("people"), nlp.create_optimizer()
        for _ in range(20):
            ner.update(examples_of(nlp, "NAME"), sgd=optimizer)
        return sharing_answers(nlp, "people")

    with ThreadPoolExecutor(max_workers=2) as pool:
        training = pool.submit(train, nlp)
        found = [pool.submit(sharing_answers, nlp, "days").result() for _ in range(40)]
    assert found == [expected] * 40
    # and the training was not disturbed either
    assert training.result() == train(lone)


def test_adding_one_to_a_loaded_pipeline_takes_no_second(recognisers: dict[str, Path]) -> None:
    nlp, other = spacy.load(recognisers["people"]), spacy.load(recognisers["days"])
    start = perf_counter()
    nlp.add_pipe("llama_ner", name="days", source=other)
    assert perf_counter() - start < 1
    assert nlp.pipe_names == ["llama_ner", "days"]


@pytest.fixture
def meeting(recognisers: dict[str, Path]) -> Language:
    """Behind `people` and `days` a third that finds the same as `people` and calls it PERSON."""
    nlp = together(recognisers)
    persons = nlp.add_pipe("llama_ner", name="persons", source=spacy.load(recognisers["people"]))
    head = persons.model.get_ref("head")
    persons.cfg["labels"] = head.attrs["labels"] = head.shims[0].module.labels = ["PERSON"]
    return nlp


def group(doc: Doc, key: str = "llama_ner") -> list[tuple[str, str]]:
    assert len(scores(doc, key)) == len(doc.spans[key])
    return [(span.text, span.label_) for span in doc.spans[key]]


BOTH = [("Mia Brook", "NAME"), ("Friday", "DATE")]


def test_of_entities_that_overlap_the_first_stays(meeting: Language) -> None:
    doc = meeting(TEXTS[0])
    assert ents(doc) == group(doc) == BOTH


def test_or_the_last_one_replaces_all_others(meeting: Language) -> None:
    meeting.get_pipe("persons").overwrite = True
    doc = meeting(TEXTS[0])
    assert ents(doc) == group(doc) == [("Mia Brook", "PERSON")]


def test_or_it_leaves_them_alone_and_has_a_group_of_its_own(meeting: Language) -> None:
    persons = meeting.get_pipe("persons")
    persons.overwrite, persons.spans_key = None, "persons"
    doc = meeting(TEXTS[0])
    assert ents(doc) == group(doc) == BOTH
    assert group(doc, "persons") == [("Mia Brook", "PERSON")]


def test_each_may_have_a_group_of_its_own(meeting: Language) -> None:
    for name in meeting.pipe_names:
        meeting.get_pipe(name).spans_key = name
    doc = meeting(TEXTS[0])
    assert ents(doc) == BOTH
    assert {name: group(doc, name) for name in meeting.pipe_names} == {
        "people": BOTH[:1],
        "days": BOTH[1:],
        "persons": [],
    }


def test_a_shared_group_holds_the_score_that_each_gave(nlp: Language) -> None:
    doc = nlp(TEXTS[0])
    assert scores(doc) == [sharing_answers(nlp, "people")[0][0][2], sharing_answers(nlp, "days")[0][0][2]]
    # annotated again, it is what it was
    assert scores(nlp(doc)) == scores(doc) and group(doc) == BOTH


@pytest.mark.parametrize("overwrites", [(None, False), (False, None), (None, None)])
def test_a_group_that_two_would_wipe_out_is_refused(
    tiny_llama: Path, overwrites: tuple[bool | None, bool | None]
) -> None:
    nlp = make_nlp(tiny_llama, name="one", overwrite=overwrites[0], spans_key="found")
    message = r"'two' and 'one' both write to the span group 'found'.* different values of `spans_key`"
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe("llama_ner", name="two", config={"overwrite": overwrites[1], "spans_key": "found"})
    nlp.add_pipe("llama_ner", name="two", config={"overwrite": overwrites[1], "spans_key": "other"})


def test_a_component_that_would_say_nothing_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match="overwrite = null.* and spans_key = null: it would say nothing"):
        make_nlp(tiny_llama, overwrite=None, spans_key=None)


def test_pipelines_without_groups_are_not_refused(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="one", spans_key=None)
    nlp.add_pipe("llama_ner", name="two", config={"spans_key": None})
    assert nlp.pipe_names == ["one", "two"]
