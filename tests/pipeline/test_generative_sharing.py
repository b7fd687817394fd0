"""A component that reads without the causal mask and one that writes with it, on one base in one process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language

from ..annotate.bases import build_chat_llama
from ..generative.samples import make_nlp as make_writer_nlp
from .samples import CORPUS, make_examples, train
from .samples import make_nlp as make_reader_nlp

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
    for module in (module_of(reader, READS), module_of(writer, WRITES)):
        assert {p.data_ptr() for p in module.parameters() if not p.requires_grad} == shared


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
