"""`CurveLogger`: learning curves that do not change the training, and the emissions that they are computed from."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_llama_ner.evaluate.scorer import seqeval_score
from spacy_llama_ner.head.architectures import get_head
from spacy_llama_ner.pipeline.llama_ner import only_component
from spacy_llama_ner.training.curve_logger import CurveLogger, capture_emissions, scores_and_loss
from tests.pipeline.samples import (
    CORPUS,
    Corpus,
    annotated,
    ents,
    make_example,
    make_examples,
    make_nlp,
    write_corpus,
)

CONFIG = """
[paths]
train = "{train}"
dev = "{dev}"

[nlp]
lang = "en"
pipeline = ["llama_ner"]

[components]

[components.llama_ner]
factory = "llama_ner"

[components.llama_ner.model]
@architectures = "spacy_llama_ner.CRFTagger.v1"

[components.llama_ner.model.tok2vec]
@architectures = "spacy_llama_ner.LlamaEncoder.v1"
base = "{base}"
dtype = "float32"
window = 64
stride = 48

[components.llama_ner.model.loss]
@misc = "spacy_llama_ner.TaggingLoss.v1"
crf = 1.0
cross_entropy = 0.5

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${{paths.train}}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${{paths.dev}}

[training]
max_steps = 9
eval_frequency = 3
dropout = 0.3

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 2

[training.logger]
{logger}

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""
CURVE = '@loggers = "spacy_llama_ner.CurveLogger.v1"'
CONSOLE = '@loggers = "spacy.ConsoleLogger.v2"'
TEXTS = [text for text, _ in CORPUS]
DEV = [CORPUS[3], ("", []), CORPUS[1], ("a tram to Bern leaves now", [])]
KEYS = {"loss", "ents_p", "ents_r", "ents_f", "ents_per_type", "ents_token_acc"}


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """A working folder with a corpus."""
    nlp = spacy.blank("en")
    write_corpus(tmp_path / "train.spacy", nlp)
    DocBin(docs=[annotated(nlp.make_doc(text), pieces) for text, pieces in DEV]).to_disk(tmp_path / "dev.spacy")
    return tmp_path


def write_config(folder: Path, base: Path, logger: str) -> Path:
    sparse = folder / "sparse.cfg"
    text = CONFIG.format(train=folder / "train.spacy", dev=folder / "dev.spacy", base=base, logger=logger)
    sparse.write_text(text, encoding="utf8")
    fill_config(folder / "config.cfg", sparse)
    return folder / "config.cfg"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def check_point(point: dict[str, Any], nlp: Language, corpus: Corpus) -> None:
    """Compare a point with what the component itself gives, for all docs at once and in evaluation mode."""
    assert point.keys() == KEYS
    examples = [eg for eg in make_examples(nlp, corpus) if len(eg.x)]
    ner = nlp.get_pipe("llama_ner")
    loss, _ = ner.get_loss(examples, ner.model.predict([eg.x for eg in examples]))
    assert point["loss"] == pytest.approx(loss, rel=1e-5)
    for eg in examples:
        eg.predicted = nlp(eg.predicted)
    scores = seqeval_score(examples)
    # as many digits as are written
    assert {key: point[key] for key in scores} == json.loads(srsly.json_dumps(scores))


def test_a_line_has_scores_and_loss_on_train_and_dev(folder: Path, tiny_llama: Path) -> None:
    train(write_config(folder, tiny_llama, CURVE), folder / "out")
    lines = read(folder / "out" / "curve.jsonl")
    assert [line["step"] for line in lines] == [0, 3, 6, 9]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert all(line["losses"].keys() == {"llama_ner"} for line in lines)

    nlp = spacy.load(folder / "out" / "model-last")
    check_point(lines[-1]["train"], nlp, CORPUS)
    check_point(lines[-1]["dev"], nlp, DEV)
    assert all((line["max_steps"], line["patience"]) == (9, 1600) for line in lines)
    assert lines[-1]["train"]["loss"] < lines[0]["train"]["loss"] / 2
    assert lines[-1]["train"]["loss"] != lines[-1]["dev"]["loss"]


@pytest.fixture
def outputs_of_both(folder: Path, tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    """What is printed with spaCy's logger, and with this one."""
    outputs = []
    for name, logger in (("console", CONSOLE), ("curve", CURVE)):
        capsys.readouterr()
        train(write_config(folder, tiny_llama, logger), folder / name)
        outputs.append(capsys.readouterr().out.replace(str(folder / name), "FOLDER"))
    yield outputs[0], outputs[1]


def test_training_is_the_same_as_with_spacys_logger(folder: Path, outputs_of_both: tuple[str, str]) -> None:
    """The same weights, bit by bit, in spite of dropout; and the same is printed."""
    assert outputs_of_both[0] == outputs_of_both[1]
    states = [
        [
            (name, p)
            for node in spacy.load(folder / run / "model-last").get_pipe("llama_ner").model.walk()
            for shim in node.shims
            for name, p in shim.module.named_parameters()
            if p.requires_grad
        ]
        for run in ("console", "curve")
    ]
    for (name, expected), (_, given) in zip(*states, strict=True):
        assert torch.equal(given, expected), name


def start(nlp: Language, **settings: Any) -> tuple[Any, Any]:
    return CurveLogger(**settings)(nlp, io.StringIO(), io.StringIO())


@pytest.fixture
def nlp(folder: Path, tiny_llama: Path) -> Language:
    """An initialized pipeline with the config that it is trained with."""
    nlp = make_nlp(tiny_llama)
    nlp.config = spacy.util.load_config(write_config(folder, tiny_llama, CURVE))
    nlp.initialize(lambda: make_examples(nlp, CORPUS))
    return nlp


def info(nlp: Language, examples: list[Example] | None = None, **more: Any) -> dict[str, Any]:
    """What the training loop hands to a logger after an evaluation."""
    scores = nlp.evaluate(make_examples(nlp, DEV) if examples is None else examples)
    step = {"epoch": 0, "step": 0, "score": 0.0, "losses": {"llama_ner": 1.0}, **more}
    return step | {"other_scores": {key: value for key, value in scores.items() if value is not None}}


@pytest.mark.parametrize(("n_words", "sizes"), [(1, {1}), (9, {2, 3}), (1000, {len(CORPUS)})])
def test_the_sample_of_the_training_data_is_as_large_as_asked_for(
    folder: Path, nlp: Language, n_words: int, sizes: set[int]
) -> None:
    measured: list[list[str]] = []
    nlp.get_pipe("llama_ner").score_callbacks.append(lambda examples: measured.append([eg.text for eg in examples]))
    for _ in range(2):
        log, finish = start(nlp, train_sample=n_words, output_file=str(folder / "curve.jsonl"))
        log(info(nlp))
        finish()
    # dev, then train, twice
    assert measured[1] == measured[3] and len(measured[1]) in sizes
    assert set(measured[1]) <= {text for text, _ in CORPUS}


def test_the_training_data_need_not_be_measured(folder: Path, nlp: Language) -> None:
    log, finish = start(nlp, train_sample=0, output_file=str(folder / "curve.jsonl"))
    log(info(nlp))
    finish()
    (line,) = read(folder / "curve.jsonl")
    assert line["train"] is None and line["dev"]["loss"] > 0


def test_random_numbers_and_gradients_do_not_change(folder: Path, nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    parameters = [p for node in ner.model.walk() for shim in node.shims for p in shim.module.parameters()]
    emissions, backprop = ner.model.begin_update([eg.x for eg in make_examples(nlp, CORPUS)])
    backprop([np.ones_like(doc) for doc in emissions])
    gradients = [None if p.grad is None else p.grad.clone() for p in parameters]
    assert any(gradient is not None for gradient in gradients)

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), torch.rand(()).item()

    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.random.set_rng_state(states[2])
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    log(info(nlp))
    finish()
    assert draw() == expected
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.equal(parameter.grad, gradient)


def test_neither_the_pipeline_nor_the_model_is_replaced(folder: Path, nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    model, module = ner.model, get_head(ner.model)
    attributes = dict(vars(nlp))
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    for step in range(2):
        log(info(nlp, step=step))
        assert nlp.evaluate.__func__ is Language.evaluate
        assert ner.model is model and get_head(ner.model) is module
        assert vars(nlp) == attributes
    finish()
    assert ner.score_callbacks == []
    assert not module._forward_hooks


def test_a_training_replaces_neither_the_pipeline_nor_the_model(folder: Path, tiny_llama: Path) -> None:
    """Seen by a callback before each update, which `spacy train` runs while the logger follows the training."""
    seen: list[tuple[Any, Any]] = []

    @spacy.registry.callbacks("test.see_what_is_trained.v1")
    def make_callback() -> Any:
        def see(nlp: Language, args: dict[str, Any]) -> None:
            assert nlp.evaluate.__func__ is Language.evaluate and nlp.update.__func__ is Language.update
            seen.append((nlp, nlp.get_pipe("llama_ner").model))

        return see

    overrides = {"training.before_update": {"@callbacks": "test.see_what_is_trained.v1"}}
    train(write_config(folder, tiny_llama, CURVE), folder / "out", overrides=overrides)
    assert len(seen) == 10 and len({(id(nlp), id(model)) for nlp, model in seen}) == 1


def test_predictions_that_are_not_scored_do_not_count(folder: Path, nlp: Language) -> None:
    """Such as those of `training.annotating_components`, before the evaluation."""
    losses = []
    for texts in ([], [text for text, _ in CORPUS], [""]):
        log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
        list(nlp.pipe(texts))
        log(info(nlp))
        finish()
        losses.append(read(folder / "curve.jsonl")[0]["dev"]["loss"])
    assert losses[0] == losses[1] == losses[2] > 0


def test_words_that_another_component_changes_have_no_loss(folder: Path, nlp: Language) -> None:
    nlp.add_pipe("merge_entities")
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"), train_sample=0)
    nlp.get_pipe("llama_ner").overwrite = True
    for text, _ in CORPUS:
        nlp.update([make_example(nlp, text, [(text, "NAME")])], sgd=nlp.create_optimizer())
    evaluated = info(nlp, make_examples(nlp))
    log(evaluated)
    finish()
    (line,) = read(folder / "curve.jsonl")
    assert any(len(doc) < len(nlp.make_doc(doc.text)) for doc in nlp.pipe(TEXTS))
    assert line["dev"]["loss"] is None


def test_a_file_from_an_earlier_run_is_replaced(folder: Path, nlp: Language) -> None:
    path = folder / "deep" / "curves.jsonl"
    for n_lines in (3, 2):
        log, finish = start(nlp, output_file=str(path))
        for step in range(n_lines):
            log(info(nlp, step=step))
            log(None)
        finish()
        assert [line["step"] for line in read(path)] == list(range(n_lines))


def test_a_training_without_output_warns_once(nlp: Language) -> None:
    out = io.StringIO()
    log, finish = CurveLogger()(nlp, out, io.StringIO())
    for step in range(3):
        log(info(nlp, step=step))
    finish()
    assert out.getvalue().count("No learning curves are written") == 1
    assert "Give `spacy train` an --output" in out.getvalue()


def test_unknown_gold_labels_have_no_loss(folder: Path, nlp: Language) -> None:
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    doc = nlp.make_doc("a tram to Bern leaves now")
    log(info(nlp, [Example(doc, annotated(doc, [("Bern", "PLACE")]))]))
    finish()
    (line,) = read(folder / "curve.jsonl")
    assert line["dev"]["loss"] is None and line["dev"]["ents_r"] == 0.0
    assert line["train"]["loss"] > 0


def test_docs_without_annotation_have_no_loss(folder: Path, nlp: Language) -> None:
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    doc = nlp.make_doc("a tram to Bern leaves now")
    log(info(nlp, [Example(doc, doc.copy())]))
    finish()
    (line,) = read(folder / "curve.jsonl")
    assert line["dev"] == dict.fromkeys(KEYS)


def test_a_loss_without_bounds_is_null(folder: Path, nlp: Language) -> None:
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    with torch.no_grad():
        nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module.output.bias.fill_(float("nan"))
    log(info(nlp, losses={"llama_ner": float("nan")}))
    finish()
    (line,) = read(folder / "curve.jsonl")
    assert line["losses"] == {"llama_ner": None}
    assert line["dev"]["loss"] is None and line["train"]["loss"] is None


@pytest.mark.parametrize("n_components", [0, 2])
def test_it_follows_one_component(tiny_llama: Path, n_components: int) -> None:
    nlp = make_nlp(tiny_llama)
    for i in range(1, n_components):
        nlp.add_pipe("llama_ner", name=f"again{i}")
    if not n_components:
        nlp.remove_pipe("llama_ner")
    with pytest.raises(ValueError, match=rf"follows one llama_ner component, but .* trains {n_components}\. Use"):
        start(nlp)


def test_word_vectors_and_emissions_are_captured_once(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    captured: list[tuple[list, list]] = []
    with capture_emissions(ner, lambda words, emissions: captured.append((words, emissions))):
        found = list(nlp.pipe(TEXTS))
    (words, emissions), docs = captured[0], [nlp.make_doc(text) for text in TEXTS]
    assert len(captured) == 1
    for given, expected in zip(words, ner.model.get_ref("tok2vec").predict(docs), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-5)
    for given, expected in zip(emissions, ner.model.predict(docs), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-4)
    assert [ents(doc) for doc in found] == [ents(doc) for doc in nlp.pipe(TEXTS)]


def test_updates_are_not_captured(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    captured: list[Any] = []
    with capture_emissions(ner, lambda words, emissions: captured.append(emissions)):
        nlp.update(make_examples(nlp), sgd=False)
    assert captured == []


def test_capturing_ends_with_the_block_after_an_error_too(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    captured: list[Any] = []
    with (
        pytest.raises(RuntimeError, match="stop"),
        capture_emissions(ner, lambda words, emissions: captured.append(emissions)),
    ):
        raise RuntimeError("stop")
    nlp(TEXTS[0])
    assert captured == []


def test_scores_and_loss_are_those_of_one_evaluation(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    examples = make_examples(nlp)
    scores, loss = scores_and_loss(nlp.evaluate, ner, examples)
    expected, _ = ner.get_loss(examples, ner.model.predict([eg.x for eg in examples]))
    assert loss == pytest.approx(expected, rel=1e-5)
    assert scores["ents_f"] == nlp.evaluate(examples)["ents_f"]
    assert ner.score_callbacks == []
