"""`CurveLogger`: learning curves that cost training nothing but a little time."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy_llama_ner.evaluate.scorer import seqeval_score
from spacy_llama_ner.pipeline.components import only_component
from spacy_llama_ner.training import curve_logger as curve
from spacy_llama_ner.training.curve_logger import CurveLogger
from spacy_llama_ner.training.curve_logger import capture_emissions
from tests.pipeline.samples import CORPUS
from tests.pipeline.samples import annotated
from tests.pipeline.samples import ents
from tests.pipeline.samples import make_nlp
from tests.pipeline.samples import write_corpus
from typing import Any
import io
import json
import numpy as np
import pytest
import random
import spacy
import srsly
import torch

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


def gold(nlp: Language, corpus: list[tuple[str, list[tuple[str, str]]]]) -> list[Example]:
    docs = [(nlp.make_doc(text), pieces) for text, pieces in corpus]
    return [Example(doc, annotated(doc, pieces)) for doc, pieces in docs]


def check_point(point: dict[str, Any], nlp: Language, corpus: list[tuple[str, list[tuple[str, str]]]]) -> None:
    """By the means of the component alone: all at once, in evaluation mode."""
    assert point.keys() == KEYS
    examples = [eg for eg in gold(nlp, corpus) if len(eg.x)]
    ner = nlp.get_pipe("llama_ner")
    loss, _ = ner.get_loss(examples, ner.model.predict([eg.x for eg in examples]))
    assert point["loss"] == pytest.approx(loss, rel=1e-5)
    for eg in examples:
        eg.predicted = nlp(eg.predicted)
    scores = seqeval_score(examples)
    # as many digits as are written
    assert {key: point[key] for key in scores} == json.loads(srsly.json_dumps(scores))


def test_a_line_tells_scores_and_loss_on_train_and_dev(folder: Path, tiny_llama: Path) -> None:
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
def both(folder: Path, tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    """What is printed with spaCy's logger, and with this one."""
    told = []
    for name, logger in (("console", CONSOLE), ("curve", CURVE)):
        capsys.readouterr()
        train(write_config(folder, tiny_llama, logger), folder / name)
        told.append(capsys.readouterr().out.replace(str(folder / name), "FOLDER"))
    yield told[0], told[1]


def test_training_takes_the_path_that_it_takes_without(folder: Path, both: tuple[str, str]) -> None:
    """The same weights, bit by bit, in spite of dropout; and the same is printed."""
    assert both[0] == both[1]
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
    nlp.initialize(lambda: gold(nlp, CORPUS))
    return nlp


def info(nlp: Language, examples: list[Example] | None = None, **more: Any) -> dict[str, Any]:
    """What the training loop hands to a logger after an evaluation."""
    scores = nlp.evaluate(gold(nlp, DEV) if examples is None else examples)
    told = {"epoch": 0, "step": 0, "score": 0.0, "losses": {"llama_ner": 1.0}, **more}
    return told | {"other_scores": {key: value for key, value in scores.items() if value is not None}}


@pytest.mark.parametrize(("n_words", "sizes"), [(1, {1}), (9, {2, 3}), (1000, {len(CORPUS)})])
def test_the_sample_of_the_training_data_is_as_large_as_asked_for(
    folder: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch, n_words: int, sizes: set[int]
) -> None:
    measured: list[list[str]] = []

    def measure(evaluate: Any, ner: Any, examples: Iterable[Example], **kwargs: Any) -> tuple[dict[str, Any], None]:
        measured.append([eg.text for eg in examples])
        return {}, None

    monkeypatch.setattr(curve, "scores_and_loss", measure)
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


def test_random_numbers_and_gradients_are_left_alone(folder: Path, nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    parameters = [p for node in ner.model.walk() for shim in node.shims for p in shim.module.parameters()]
    emissions, backprop = ner.model.begin_update([eg.x for eg in gold(nlp, CORPUS)])
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


def test_nothing_stays_behind_when_training_is_over(folder: Path, nlp: Language) -> None:
    model = nlp.get_pipe("llama_ner").model
    _, finish = start(nlp)
    assert "evaluate" in vars(nlp)
    info(nlp)
    finish()
    assert "evaluate" not in vars(nlp)
    assert nlp.get_pipe("llama_ner").model is model


def test_an_evaluation_that_several_processes_share_stays_theirs(folder: Path, nlp: Language) -> None:
    calls = []

    def together(examples: Any, **kwargs: Any) -> dict[str, Any]:
        calls.append(list(examples))
        return Language.evaluate(nlp, calls[-1], **kwargs)

    nlp.evaluate = together
    log, finish = start(nlp, output_file=str(folder / "curve.jsonl"))
    log(info(nlp))
    finish()
    # the training sample is measured by one process alone
    assert [len(examples) for examples in calls] == [len(DEV)]
    assert nlp.evaluate is together


def test_a_file_from_an_earlier_run_is_replaced(folder: Path, nlp: Language) -> None:
    path = folder / "deep" / "curves.jsonl"
    for n_lines in (3, 2):
        log, finish = start(nlp, output_file=str(path))
        for step in range(n_lines):
            log(info(nlp, step=step))
            log(None)
        finish()
        assert [line["step"] for line in read(path)] == list(range(n_lines))


def test_a_training_that_is_not_saved_says_that_it_has_no_curves(nlp: Language) -> None:
    out = io.StringIO()
    log, finish = CurveLogger()(nlp, out, io.StringIO())
    for step in range(3):
        log(info(nlp, step=step))
    finish()
    assert out.getvalue().count("No learning curves are written") == 1
    assert "Give `spacy train` an --output" in out.getvalue()


def test_gold_labels_that_the_component_does_not_know_have_no_loss(folder: Path, nlp: Language) -> None:
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


TEXTS = [text for text, _ in CORPUS]


def test_word_vectors_and_emissions_come_by_once(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    model = ner.model
    heard: list[tuple[list, list]] = []
    with capture_emissions(ner, lambda words, emissions: heard.append((words, emissions))):
        found = list(nlp.pipe(TEXTS))
    assert ner.model is model
    (words, emissions), docs = heard[0], [nlp.make_doc(text) for text in TEXTS]
    assert len(heard) == 1
    for given, wanted in zip(words, model.get_ref("tok2vec").predict(docs), strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-5)
    for given, wanted in zip(emissions, model.predict(docs), strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-4)
    assert [ents(doc) for doc in found] == [ents(doc) for doc in nlp.pipe(TEXTS)]


def test_it_is_over_after_an_error_too(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    model = ner.model
    with pytest.raises(RuntimeError, match="cut"), capture_emissions(ner, lambda words, emissions: None):
        raise RuntimeError("cut")
    assert ner.model is model
