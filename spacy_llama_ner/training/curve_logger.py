"""`spacy_llama_ner.CurveLogger.v1`: what spaCy prints while it trains, and learning curves in a file."""

from __future__ import annotations

from ..data.files import finite
from ..evaluate.scorer import Scores
from ..pipeline.components import find_components
from ..pipeline.entity_pipe import collect_labels
from ..pipeline.entity_pipe import gold_tags
from ..pipeline.llama_ner import LlamaNER
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from spacy.language import Language
from spacy.training import Example
from spacy.training.loggers import console_logger
from spacy.util import resolve_dot_names
from thinc.api import Config
from thinc.api import Model
from thinc.types import Floats2d
from time import perf_counter
from typing import Any
from typing import IO
from wasabi.printer import Printer
import numpy as np
import random
import srsly
import sys

# word vectors and emissions of a batch, fp32 [n_words, width] and [n_words, n_tags] for each doc
Hear = Callable[[list[Floats2d], list[Floats2d]], None]


@contextmanager
def capture_emissions(ner: LlamaNER, hear: Hear) -> Iterator[None]:
    """Inside the block, `hear` gets what the head of `ner` reads and gives, batch by batch, in the order of the docs.

    Nothing is computed a second time. A batch without any word does not come by.
    """
    from ..head.architectures import forward

    model = ner.model
    tok2vec, head = model.layers

    def overhear(outer: Model, words: list[Floats2d], is_train: bool) -> Any:
        emissions, backprop = head(words, is_train)
        hear(words, emissions)
        return emissions, backprop

    refs: dict[str, Model | None] = {name: model.get_ref(name) for name in model.ref_names}
    ear: Model = Model(head.name, overhear, layers=[head])
    ner.model = Model(model.name, forward, layers=[tok2vec, ear], refs=refs, attrs=model.attrs)
    try:
        yield
    finally:
        ner.model = model


def scores_and_loss(
    evaluate: Callable[..., Scores], ner: LlamaNER, examples: Iterable[Example], **kwargs: Any
) -> tuple[Scores, float | None]:
    """What `evaluate` (that of a `Language`) gives for `examples`, and the loss of `ner` on them.

    The loss is that of training, a mean over the words with a known tag, in evaluation mode. None where it cannot be
    told: gold has labels that `ner` does not know, no tag is known, or another component changed the words.
    """
    examples = list(examples)
    emissions: list[Floats2d] = []
    with capture_emissions(ner, lambda words, found: emissions.extend(doc for doc in found if len(doc))):
        scores = evaluate(examples, **kwargs)
    return scores, _loss(ner, examples, emissions)


def _loss(ner: LlamaNER, examples: list[Example], emissions: list[Floats2d]) -> float | None:
    from ..head.inference import mean_loss

    if not set(collect_labels(examples)) <= set(ner.labels):
        return None
    tags = [gold_tags(eg, ner.labels) for eg in examples if len(eg.predicted)]
    if [len(doc) for doc in tags] != [len(doc) for doc in emissions]:
        return None
    return mean_loss(ner.model, emissions, tags)


Info = dict[str, Any]
Logger = Callable[[Language, IO, IO], tuple[Callable[[Info | None], None], Callable[[], None]]]

FILE = "curve.jsonl"
KEYS = ("ents_p", "ents_r", "ents_f", "ents_per_type", "ents_token_acc")
# docs of the training corpus that the sample is drawn from; a corpus may be a stream without an end
MOST_DOCS = 50_000
NOWHERE = ("No learning curves are written", "Give `spacy train` an --output, or the logger an output_file")


def CurveLogger(train_sample: int = 5000, output_file: str | None = None, progress_bar: bool = False) -> Logger:
    """Print what `spacy.ConsoleLogger.v2` prints, and write a line of JSON at each evaluation.

    A line has `step`, `epoch`, `seconds` since the start of training, `losses` (those that spaCy prints: summed up
    since the line before), the config's `max_steps` and `patience`, and under `train` and `dev` each `loss`,
    `ents_p`, `ents_r`, `ents_f`, `ents_per_type` and `ents_token_acc`. `loss` is the `TaggingLoss.v1` of the
    component per word with a known tag, without dropout; null where it cannot be told. `dev` costs no pass of its
    own.

    train_sample: about how many words of the training corpus `train` is measured on, the same docs each time, drawn
        at random; 0 for none: `train` is then null.
    output_file: by default `curve.jsonl` in the folder that `spacy train --output` names. It is written anew.
    progress_bar: as for `spacy.ConsoleLogger.v2`.

    The pipeline must have one `llama_ner` component, else a ValueError is raised.
    """
    console = console_logger(progress_bar=progress_bar)

    def start(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[Callable[[Info | None], None], Callable[[], None]]:
        curve = _Curve(nlp, stdout, train_sample=train_sample, output_file=output_file)
        log_step, finish = console(nlp, stdout, stderr)

        def log(info: Info | None) -> None:
            log_step(info)
            if info is not None:
                curve.add(info)

        def finalize() -> None:
            curve.close()
            finish()

        return log, finalize

    return start


class _Curve:
    """Listens in to the evaluations of `nlp` until it is closed, and writes a line after each."""

    def __init__(self, nlp: Language, stdout: IO, *, train_sample: int, output_file: str | None) -> None:
        self._nlp = nlp
        self._ner = _component(nlp)
        self._stdout = stdout
        self._output_file = output_file
        config = nlp.config.interpolate()
        self._limits = {name: config["training"][name] for name in ("max_steps", "patience")}
        with _random_state_kept():
            self._sample = _draw(nlp, config, train_sample) if train_sample else []
        self._dev_loss: float | None = None
        self._begun = False
        self._start = perf_counter()
        # where several processes train together, it is one of their own already
        self._own_evaluate = vars(nlp).get("evaluate")
        self._evaluate = nlp.evaluate
        nlp.evaluate = self._listen_in  # type: ignore[method-assign]

    def _listen_in(self, examples: Iterable[Example], **kwargs: Any) -> Scores:
        scores, self._dev_loss = scores_and_loss(self._evaluate, self._ner, examples, **kwargs)
        return scores

    def close(self) -> None:
        """Leave `nlp` as it was."""
        del self._nlp.evaluate
        if self._own_evaluate is not None:
            self._nlp.evaluate = self._own_evaluate  # type: ignore[method-assign]

    def add(self, info: Info) -> None:
        """Write a line about the last evaluation, or say once that there is no place for any."""
        first, self._begun = not self._begun, True
        if self._output_file is not None:
            file = Path(self._output_file)
        elif "output_path" in info:
            file = Path(info["output_path"]).parent / FILE
        else:
            if first:
                print(Printer(no_print=True).warn(*NOWHERE), file=self._stdout)
            return
        line = {
            "step": info["step"],
            "epoch": info["epoch"],
            "seconds": perf_counter() - self._start,
            "losses": {name: float(loss) for name, loss in info["losses"].items()},
            "train": self._train_point(),
            "dev": _point(info["other_scores"], self._dev_loss),
            **self._limits,
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if first else "a", encoding="utf8") as lines:
            lines.write(srsly.json_dumps(finite(line)) + "\n")

    def _train_point(self) -> dict[str, Any] | None:
        if not self._sample:
            return None
        # of this process alone: others that train together with it do not wait here
        evaluate = partial(type(self._nlp).evaluate, self._nlp)
        with _random_state_kept():
            return _point(*scores_and_loss(evaluate, self._ner, self._sample))


def _component(nlp: Language) -> LlamaNER:
    found = list(find_components(nlp).values())
    if len(found) != 1:
        raise ValueError(
            f"CurveLogger follows one llama_ner component, but the pipeline {nlp.pipe_names} trains {len(found)}. "
            'Use another logger, such as @loggers = "spacy.ConsoleLogger.v2".'
        )
    return found[0]


def _draw(nlp: Language, config: Config, n_words: int) -> list[Example]:
    """Examples of the training corpus, drawn at random, until they have `n_words` words."""
    (corpus,) = resolve_dot_names(config, [config["training"]["train_corpus"]])
    examples = list(islice(corpus(nlp), MOST_DOCS))
    random.Random(0).shuffle(examples)
    sample, size = [], 0
    for example in examples:
        if size >= n_words:
            break
        sample.append(example)
        size += len(example.reference)
    return sample


def _point(scores: Scores, loss: float | None) -> dict[str, Any]:
    return {"loss": loss, **{key: scores.get(key) for key in KEYS}}


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Training goes on as if nothing had been drawn in between."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
