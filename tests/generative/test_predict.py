"""From docs to prompts, and from answers to entities."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.generative.architectures import GenerativeTagger, GeneratorModel, get_generator
from spacy_llama_ner.generative.modules import GeneratedAnswer, PrefixBatch
from spacy_llama_ner.generative.predict import MAX_ROWS, PromptBuilder, parse_answer, predict
from tests.generative.samples import FORMATS, LABELS, VOCAB, chunk_of, random_ents

DESCRIPTIONS = {"NAME": "", "DATE": ""}


class ScriptedGenerator:
    """Stands for a generator: gives these answers, with probabilities that count down from 1."""

    def __init__(self, model: GeneratorModel, answers: Sequence[str], *, complete: bool = True) -> None:
        self.generator = get_generator(model)
        self.shared = self.generator.shared
        self.answers = list(answers)
        self.complete = complete
        self.batch_sizes: list[int] = []
        self.max_lengths: list[int] = []

    def generate(self, batch: PrefixBatch, *, max_lengths: Sequence[int], paths: Any) -> list[GeneratedAnswer]:
        self.batch_sizes.append(len(batch.suffixes))
        self.max_lengths += max_lengths
        answers = [list(self.shared.piece_tokenizer.tokenize_piece(self.answers.pop(0))) for _ in batch.suffixes]
        return [GeneratedAnswer(ids, [1 - i / 100 for i in range(len(ids))], self.complete) for ids in answers]


@pytest.fixture
def model(chat_llama: Path) -> GeneratorModel:
    model = GenerativeTagger(FORMATS["BioLines"], base=str(chat_llama), dtype="float32", constrained=False)
    model.initialize()
    return model


def script(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch, *answers: str, complete: bool = True
) -> ScriptedGenerator:
    scripted = ScriptedGenerator(model, answers, complete=complete)
    monkeypatch.setattr("spacy_llama_ner.generative.predict.get_generator", lambda model: scripted)
    return scripted


def test_entities_are_words_of_the_doc(model: GeneratorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    script(model, monkeypatch, "Mia: B-NAME\nBrook: I-NAME")
    doc = Doc(VOCAB, words=["\n", "Mia", "  ", "Brook", "came"])
    ((entities, failures),) = predict(model, [doc], DESCRIPTIONS)
    assert [each[:3] for each in entities] == [(1, 4, "NAME")]
    assert failures == 0


def test_a_score_is_the_mean_probability_of_what_marks_the_entity(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "Mia: B-NAME", "\nFriday: B-DATE"
    tokenizer = script(model, monkeypatch, first + second).shared.piece_tokenizer
    n = len(tokenizer.tokenize_piece(first))
    m = len(tokenizer.tokenize_piece(first + second))
    ((entities, _),) = predict(model, [Doc(VOCAB, words=["Mia", "on", "Friday"])], DESCRIPTIONS)
    probabilities = [1 - i / 100 for i in range(m)]
    assert [each.score for each in entities] == pytest.approx(
        [sum(probabilities[:n]) / n, sum(probabilities[n:]) / (m - n)]
    )


def test_an_answer_that_was_cut_off_is_a_failure(model: GeneratorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    script(model, monkeypatch, "Mia: B-NAME", complete=False)
    ((_, failures),) = predict(model, [Doc(VOCAB, words=["Mia"])], DESCRIPTIONS)
    assert failures == 1


def test_each_chunk_of_a_doc_can_fail(chat_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = GenerativeTagger(FORMATS["BioLines"], base=str(chat_llama), dtype="float32", constrained=False, window=1)
    model.initialize()
    script(model, monkeypatch, "no", "Brook: B-NAME", "never")
    ((entities, failures),) = predict(model, [Doc(VOCAB, words=["Brook", "Brook", "Brook"])], DESCRIPTIONS)
    assert [each[:3] for each in entities] == [(1, 2, "NAME")]
    assert failures == 2


def test_many_docs_are_prompted_in_batches_and_keep_their_places(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = MAX_ROWS + 3
    docs = [Doc(VOCAB, words=["Mia"] * (1 + i % 3)) for i in range(n)]
    scripted = script(model, monkeypatch, *["Mia: B-NAME"] * n)
    assert [len(each.entities) for each in predict(model, docs, DESCRIPTIONS)] == [1] * n
    assert scripted.batch_sizes == [MAX_ROWS, 3]
    assert scripted.max_lengths == sorted(scripted.max_lengths, reverse=True)


def test_an_answer_may_be_as_long_as_the_longest_right_one(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = script(model, monkeypatch, "")
    predict(model, [Doc(VOCAB, words=["Mia", "Brook"])], DESCRIPTIONS)
    tokenize = scripted.shared.piece_tokenizer.tokenize_piece
    longest = max(DESCRIPTIONS, key=lambda label: len(tokenize(label)))
    pieces = ["Mia", f": B-{longest}", "\nBrook", f": B-{longest}"]
    assert scripted.max_lengths == [sum(len(tokenize(piece)) for piece in pieces) + 1]


def test_the_template_is_filled_in_once_for_the_same_labels(chat_llama: Path) -> None:
    model = GenerativeTagger(FORMATS["InlineBrackets"], base=str(chat_llama), dtype="float32")
    model.initialize()
    generator, settings = get_generator(model), model.attrs["settings"]
    frame = PromptBuilder(generator, settings, {"NAME": "a person"}).frame
    assert PromptBuilder(generator, settings, {"NAME": "a person"}).frame is frame
    assert PromptBuilder(generator, settings, {"DATE": ""}).frame.prefix != frame.prefix


@pytest.mark.parametrize("name", FORMATS)
def test_every_right_answer_is_parsed_as_it_was_meant(name: str) -> None:
    rng = random.Random(0)
    for _ in range(200):
        # no word twice: BIO lines could not say which one they mean
        chunk = chunk_of(" ".join(rng.sample([f"w{i}" for i in range(40)], k=rng.randint(1, 12))))
        ents = random_ents(rng, len(chunk.words))
        found, complete = parse_answer("".join(FORMATS[name].write(chunk, ents)), chunk, LABELS, format=FORMATS[name])
        assert complete and [each[:3] for each in found] == ents


@pytest.mark.parametrize("name", FORMATS)
def test_parsing_takes_linear_time_where_a_word_repeats(name: str) -> None:
    chunk = chunk_of(" ".join(["a"] * 150))
    ents = [(i, i + 1, "NAME") for i in range(150)]
    answer = "".join(FORMATS[name].write(chunk, ents))
    start = perf_counter()
    assert len(parse_answer(answer, chunk, LABELS, format=FORMATS[name]).entities) == 150
    assert not parse_answer(answer + "!", chunk, LABELS, format=FORMATS[name]).complete
    assert perf_counter() - start < 10
