"""From answers to entities."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.generative.architectures import GenerativeTagger, GeneratorModel, get_generator
from spacy_llama_ner.generative.modules import Generated, Rows
from spacy_llama_ner.generative.predict import MOST_ROWS, Questions, answer, read
from tests.generative.samples import FORMATS, LABELS, VOCAB, chunk_of, some_ents

DESCRIPTIONS = {"NAME": "", "DATE": ""}


class Scripted:
    """Stands for a writer: gives these answers, with probabilities that count down from 1."""

    def __init__(self, model: GeneratorModel, answers: Sequence[str], *, ended: bool = True) -> None:
        self.writer = get_generator(model)
        self.desk = self.writer.desk
        self.answers = list(answers)
        self.ended = ended
        self.asked: list[int] = []
        self.limits: list[int] = []

    def write(self, rows: Rows, *, limits: Sequence[int], walks: Any) -> list[Generated]:
        self.asked.append(len(rows.behind))
        self.limits += limits
        given = [list(self.desk.speller.piece(self.answers.pop(0))) for _ in rows.behind]
        return [Generated(ids, [1 - i / 100 for i in range(len(ids))], self.ended) for ids in given]


@pytest.fixture
def model(chat_llama: Path) -> GeneratorModel:
    model = GenerativeTagger(FORMATS["BioLines"], base=str(chat_llama), dtype="float32", constrained=False)
    model.initialize()
    return model


def script(model: GeneratorModel, monkeypatch: pytest.MonkeyPatch, *answers: str, ended: bool = True) -> Scripted:
    scripted = Scripted(model, answers, ended=ended)
    monkeypatch.setattr("spacy_llama_ner.generative.predict.get_writer", lambda model: scripted)
    return scripted


def test_words_are_those_of_the_doc(model: GeneratorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    script(model, monkeypatch, "Mia: B-NAME\nBrook: I-NAME")
    doc = Doc(VOCAB, words=["\n", "Mia", "  ", "Brook", "came"])
    ((entities, failures),) = answer(model, [doc], DESCRIPTIONS)
    assert [each[:3] for each in entities] == [(1, 4, "NAME")]
    assert failures == 0


def test_a_score_is_the_mean_probability_of_what_marks_the_entity(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "Mia: B-NAME", "\nFriday: B-DATE"
    speller = script(model, monkeypatch, first + second).desk.speller
    n = len(speller.piece(first))
    m = len(speller.piece(first + second))
    ((entities, _),) = answer(model, [Doc(VOCAB, words=["Mia", "on", "Friday"])], DESCRIPTIONS)
    told = [1 - i / 100 for i in range(m)]
    assert [each.score for each in entities] == pytest.approx([sum(told[:n]) / n, sum(told[n:]) / (m - n)])


def test_an_answer_that_was_cut_off_is_a_failure(model: GeneratorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    script(model, monkeypatch, "Mia: B-NAME", ended=False)
    ((_, failures),) = answer(model, [Doc(VOCAB, words=["Mia"])], DESCRIPTIONS)
    assert failures == 1


def test_each_part_of_a_doc_can_fail(chat_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = GenerativeTagger(FORMATS["BioLines"], base=str(chat_llama), dtype="float32", constrained=False, window=1)
    model.initialize()
    script(model, monkeypatch, "no", "Brook: B-NAME", "never")
    ((entities, failures),) = answer(model, [Doc(VOCAB, words=["Brook", "Brook", "Brook"])], DESCRIPTIONS)
    assert [each[:3] for each in entities] == [(1, 2, "NAME")]
    assert failures == 2


def test_many_docs_are_answered_in_batches_and_keep_their_places(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = MOST_ROWS + 3
    docs = [Doc(VOCAB, words=["Mia"] * (1 + i % 3)) for i in range(n)]
    scripted = script(model, monkeypatch, *["Mia: B-NAME"] * n)
    assert [len(each.entities) for each in answer(model, docs, DESCRIPTIONS)] == [1] * n
    assert scripted.asked == [MOST_ROWS, 3]
    assert scripted.limits == sorted(scripted.limits, reverse=True)


def test_an_answer_may_be_as_long_as_the_longest_right_one(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = script(model, monkeypatch, "")
    answer(model, [Doc(VOCAB, words=["Mia", "Brook"])], DESCRIPTIONS)
    spell = scripted.desk.speller.piece
    longest = max(DESCRIPTIONS, key=lambda label: len(spell(label)))
    pieces = ["Mia", f": B-{longest}", "\nBrook", f": B-{longest}"]
    assert scripted.limits == [sum(len(spell(piece)) for piece in pieces) + 1]


def test_the_template_is_filled_in_once_for_the_same_labels(chat_llama: Path) -> None:
    model = GenerativeTagger(FORMATS["InlineBrackets"], base=str(chat_llama), dtype="float32")
    model.initialize()
    writer, settings = get_generator(model), model.attrs["settings"]
    frame = Questions(writer, settings, {"NAME": "a person"}).frame
    assert Questions(writer, settings, {"NAME": "a person"}).frame is frame
    assert Questions(writer, settings, {"DATE": ""}).frame.before != frame.before


@pytest.mark.parametrize("name", FORMATS)
def test_every_right_answer_reads_as_it_was_meant(name: str) -> None:
    rng = random.Random(0)
    for _ in range(200):
        # no word twice: BIO lines could not say which one they mean
        chunk = chunk_of(" ".join(rng.sample([f"w{i}" for i in range(40)], k=rng.randint(1, 12))))
        ents = some_ents(rng, len(chunk.words))
        found, whole = read("".join(FORMATS[name].write(chunk, ents)), chunk, LABELS, format=FORMATS[name])
        assert whole and [each[:3] for each in found] == ents


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_of_nothing_but_the_same_word_takes_no_longer_than_others(name: str) -> None:
    chunk = chunk_of(" ".join(["a"] * 150))
    ents = [(i, i + 1, "NAME") for i in range(150)]
    answer = "".join(FORMATS[name].write(chunk, ents))
    start = perf_counter()
    assert len(read(answer, chunk, LABELS, format=FORMATS[name]).entities) == 150
    assert not read(answer + "!", chunk, LABELS, format=FORMATS[name]).whole
    assert perf_counter() - start < 10
