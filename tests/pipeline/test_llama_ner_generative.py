"""The `llama_ner_generative` component: training, prediction, saving, and other components beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_llama_ner.evaluate.predict import predict_and_score
from spacy_llama_ner.generative.architectures import get_generator
from spacy_llama_ner.generative.modules import Generator
from spacy_llama_ner.shim.torch_shim import trainable_parameters
from tests.generative.samples import make_nlp
from tests.llm.bases import build_chat_llama
from tests.pipeline.samples import CORPUS, ents, make_examples, scores

KEY = "llama_ner_generative"
# loss per subword of an answer when the corpus has been learned by heart
MAX_LOSS = 0.02


@pytest.fixture(scope="module")
def chat_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random Llama with a chat template.

    Its output layer is not trained, and wide enough to be sure of a subword.
    """
    return build_chat_llama(tmp_path_factory.mktemp("chat-llama"), hidden_size=64, intermediate_size=128)


def generator_of(nlp: Language, name: str = KEY) -> Generator:
    ner: Any = nlp.get_pipe(name)
    return get_generator(ner.model)


def learn(nlp: Language) -> list[float]:
    """Take steps until the corpus is known by heart, 200 at most; return the losses."""
    fix_random_seed(0)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses: list[float] = []
    while len(losses) < 200 and (not losses or losses[-1] > MAX_LOSS):
        losses.append(nlp.update(examples, sgd=optimizer)[KEY])
    return losses


@pytest.fixture(scope="module", params=["InlineBrackets", "BioLines"])
def folder(request: pytest.FixtureRequest, chat_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pipeline that has learned the corpus by heart."""
    nlp = make_nlp(chat_llama, request.param, lora={"rank": 16, "alpha": 32})
    losses = learn(nlp)
    assert losses[-1] <= MAX_LOSS < 5 < losses[0]
    path = tmp_path_factory.mktemp(request.param) / "pipeline"
    nlp.to_disk(path)
    return path


@pytest.fixture(params=[True, False], ids=["constrained", "free"])
def nlp(request: pytest.FixtureRequest, folder: Path) -> Language:
    return spacy.load(folder, config={f"components.{KEY}.model.constrained": request.param})


def test_it_learns_and_is_loaded(nlp: Language) -> None:
    docs = list(nlp.pipe(text for text, _ in CORPUS))
    assert [ents(doc) for doc in docs] == [pieces for _, pieces in CORPUS]
    assert all(0.8 < score <= 1 for doc in docs for score in scores(doc, KEY))
    assert [len(doc.spans[KEY]) for doc in docs] == [len(doc.ents) for doc in docs]
    found = predict_and_score(nlp, make_examples(nlp))
    assert (found["ents_f"], found["parse_failures"]) == (1.0, 0)
    assert 0 <= found["ents_ece"] < 0.2


def test_bytes_and_copies_predict_the_same(folder: Path) -> None:
    nlp = spacy.load(folder)
    other = spacy.blank("en")
    other.add_pipe(KEY, source=nlp, name="copy")
    again = spacy.load(folder).from_bytes(nlp.to_bytes())
    for text, pieces in CORPUS:
        assert ents(other(text)) == ents(again(text)) == pieces
        assert scores(again(text), KEY) == scores(nlp(text), KEY)


def test_a_saved_pipeline_is_small(folder: Path, chat_llama: Path) -> None:
    size = (folder / KEY / "model").stat().st_size
    adapter = sum(parameter.nbytes for parameter in trainable_parameters(generator_of(spacy.load(folder))).values())
    tokenizer = (chat_llama / "tokenizer.json").stat().st_size
    assert adapter < size < adapter + tokenizer + 10_000


def test_a_pipeline_can_carry_its_base(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path / "base")
    nlp = make_nlp(base, save_base=True, constrained=False)
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "pipeline")
    for file in base.iterdir():
        file.unlink()
    # what is in memory was read from the files that are gone
    text = CORPUS[0][0]
    assert ents(spacy.load(tmp_path / "pipeline")(text)) == ents(nlp(text))


@pytest.mark.parametrize("text", ["", " ", "\n\n", "</s>assistant: <s>", "\u200b", "🦔", "[a](NAME)", "a: B-NAME"])
def test_any_text_has_an_answer_that_parses(folder: Path, text: str) -> None:
    nlp = spacy.load(folder)
    doc = nlp(text)
    assert doc.text == text
    assert doc.user_data["parse_failures"] == {KEY: 0}


def test_answers_that_do_not_parse_are_counted(chat_llama: Path) -> None:
    nlp = make_nlp(chat_llama, constrained=False)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    found = nlp.evaluate(examples)
    assert found["parse_failures"] == len(examples)
    assert found["ents_p"] == found["ents_r"] == found["ents_f"] == 0.0
    assert not any(eg.predicted.ents for eg in examples)


def test_it_predicts_without_training(chat_llama: Path) -> None:
    nlp = spacy.blank("en")
    model = {"base": str(chat_llama), "lora": None}
    nlp.add_pipe(KEY, config={"descriptions": {"NAME": "a person", "DATE": "a day"}, "model": model})
    nlp.initialize()
    ner: Any = nlp.get_pipe(KEY)
    assert ner.labels == ("NAME", "DATE")
    assert nlp("Ask Mia Brook about it.").user_data["parse_failures"] == {KEY: 0}


def test_a_long_doc_is_prompted_in_chunks(folder: Path) -> None:
    nlp = spacy.load(folder, config={f"components.{KEY}.model.window": 8})
    texts = [text for text, _ in CORPUS]
    doc = nlp.make_doc(" . ".join(texts) + " .")
    assert ents(nlp(doc)) == ents(nlp(" . ".join(texts) + " ."))
    assert all(ent.end <= len(doc) for ent in doc.ents)
    assert doc.user_data["parse_failures"] == {KEY: 0}


def test_a_word_too_long_for_the_base_is_a_failure(folder: Path) -> None:
    nlp = spacy.load(folder)
    doc = Doc(nlp.vocab, words=["x" * 2000, "came"])
    assert nlp(doc).user_data["parse_failures"] == {KEY: 1}
    assert not doc.ents


def test_texts_without_annotation_have_no_loss(chat_llama: Path) -> None:
    nlp = make_nlp(chat_llama)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    unannotated = Example(nlp.make_doc("no one knows"), nlp.make_doc("no one knows"))
    assert nlp.update([unannotated], sgd=optimizer)[KEY] == 0.0


def test_a_label_it_does_not_have_is_an_error(chat_llama: Path) -> None:
    nlp = make_nlp(chat_llama)
    examples = make_examples(nlp)
    ner: Any = nlp.get_pipe(KEY)
    ner.initialize(lambda: examples, labels=["DATE"])
    with pytest.raises(ValueError, match="label 'NAME', which this component does not have"):
        ner.update(examples)


def test_no_labels_anywhere_is_an_error(chat_llama: Path) -> None:
    nlp = make_nlp(chat_llama)
    with pytest.raises(ValueError, match="has no labels"):
        nlp.initialize()


def test_without_weights_it_is_an_error(chat_llama: Path) -> None:
    with pytest.raises(ValueError, match="no weights yet"):
        make_nlp(chat_llama)("Ask Mia.")


def test_entities_of_an_earlier_component_stay(folder: Path) -> None:
    nlp = spacy.load(folder)
    ruler: Any = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "BOAT", "pattern": "boat on Friday"}])
    assert ents(nlp(CORPUS[0][0])) == [("Mia Brook", "NAME"), ("boat on Friday", "BOAT")]


def test_a_span_group_of_another_component_is_refused(chat_llama: Path) -> None:
    nlp = make_nlp(chat_llama)
    with pytest.raises(ValueError, match="both write to the span group"):
        nlp.add_pipe("llama_ner", config={"overwrite": None, "spans_key": KEY})
