"""`CurveLogger.v1`: prints what spaCy prints while it trains, and writes learning curves to a file.

The scores on the dev data are those of the training loop's own evaluation. Its loss is computed from the same
predictions: `record_loss` follows the component through `capture_emissions`, a forward hook on its head, and through
`EntityPipe.score_callbacks`, which bring the gold data. Neither the pipeline nor the model is replaced.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import IO, Any, TypeAlias

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.training.loggers import console_logger
from spacy.util import resolve_dot_names
from thinc.api import Config, torch2xp
from thinc.types import Floats2d
from wasabi.printer import Printer

from ..evaluate.learning_curves import CURVE_FILE, Point, SplitScores, write_point
from ..evaluate.scorer import Scores
from ..pipeline.entity_pipe import collect_labels, gold_tags
from ..pipeline.llama_ner import LlamaNER, find_components
from ..shim.torch_shim import split_rows

Info: TypeAlias = dict[str, Any]
Logger: TypeAlias = Callable[[Language, IO, IO], tuple[Callable[[Info | None], None], Callable[[], None]]]
# is given word vectors and emissions of a batch, fp32 [n_words, width] and [n_words, n_tags] of each doc
EmissionCallback: TypeAlias = Callable[[list[Floats2d], list[Floats2d]], None]

# docs of the training corpus that the sample is drawn from; a corpus may be a stream without an end
MAX_SAMPLED_DOCS = 50_000
NO_OUTPUT = ("No learning curves are written", "Give `spacy train` an --output, or the logger an output_file")


def CurveLogger(train_sample: int = 5000, output_file: str | None = None, progress_bar: bool = False) -> Logger:
    """Create a logger that prints what `spacy.ConsoleLogger.v2` prints, and writes a line of JSON at each evaluation.

    `evaluate.learning_curves.Point` lists what a line has. The loss of `train` and `dev` is the `TaggingLoss.v1` of
    the component per word with a known tag, without dropout; null where it is not known (see `record_loss`). `dev`
    costs no pass of its own.

    Args:
        train_sample: About how many words of the training corpus `train` is measured on, the same docs each time,
            drawn at random; 0 for none: `train` is then null.
        output_file: By default `curve.jsonl` in the folder that `spacy train --output` names. It is written anew.
        progress_bar: As for `spacy.ConsoleLogger.v2`.

    Returns:
        The logger. It raises ValueError when it is started, unless the pipeline has exactly one active `llama_ner`.
    """
    console = console_logger(progress_bar=progress_bar)

    def start(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[Callable[[Info | None], None], Callable[[], None]]:
        curve = _CurveWriter(nlp, stdout, train_sample=train_sample, output_file=output_file)
        log_step, finish = console(nlp, stdout, stderr)

        def log(info: Info | None) -> None:
            log_step(info)
            curve.add(info)

        def finalize() -> None:
            curve.close()
            finish()

        return log, finalize

    return start


class _CurveWriter:
    """Follows the evaluations of a training until it is closed, and writes a line after each."""

    def __init__(self, nlp: Language, stdout: IO, *, train_sample: int, output_file: str | None) -> None:
        self._nlp = nlp
        self._stdout = stdout
        self._output_file = output_file
        components = list(find_components(nlp).values())
        if len(components) != 1:
            raise ValueError(
                f"CurveLogger follows one llama_ner component, but the pipeline {nlp.pipe_names} trains "
                f'{len(components)}. Use another logger, such as @loggers = "spacy.ConsoleLogger.v2".'
            )
        config = nlp.config.interpolate()
        self._limits = {name: config["training"][name] for name in ("max_steps", "patience")}
        with keep_random_state():
            self._sample = _draw_sample(nlp, config, train_sample) if train_sample else []
        self._has_evaluated = False
        self._start = perf_counter()
        self._hooks = ExitStack()
        self._recorder = self._hooks.enter_context(record_loss(components[0]))

    def close(self) -> None:
        """Stop following the evaluations."""
        self._hooks.close()

    def add(self, info: Info | None) -> None:
        """Write a line about the last evaluation, or say once that there is no place for any.

        Args:
            info: What the training loop says about the step; None for a step without an evaluation.
        """
        if info is None:
            self._recorder.clear()
            return
        is_first, self._has_evaluated = not self._has_evaluated, True
        if self._output_file is not None:
            file = Path(self._output_file)
        elif "output_path" in info:
            file = Path(info["output_path"]).parent / CURVE_FILE
        else:
            if is_first:
                print(Printer(no_print=True).warn(*NO_OUTPUT), file=self._stdout)
            return
        seconds = perf_counter() - self._start
        dev = SplitScores.from_scores(info["other_scores"], loss=self._recorder.loss)
        point = Point(
            step=info["step"],
            epoch=info["epoch"],
            seconds=seconds,
            losses={name: float(loss) for name, loss in info["losses"].items()},
            train=self._measure_sample(),
            dev=dev,
            **self._limits,
        )
        write_point(file, point, append=not is_first)

    def _measure_sample(self) -> SplitScores | None:
        if not self._sample:
            return None
        with keep_random_state():
            scores = self._nlp.evaluate(self._sample)
        return SplitScores.from_scores(scores, loss=self._recorder.loss)


def _draw_sample(nlp: Language, config: Config, n_words: int) -> list[Example]:
    """Draw examples of the training corpus at random, until they have `n_words` words."""
    (corpus,) = resolve_dot_names(config, [config["training"]["train_corpus"]])
    examples = list(islice(corpus(nlp), MAX_SAMPLED_DOCS))
    random.Random(0).shuffle(examples)
    sample, size = [], 0
    for example in examples:
        if size >= n_words:
            break
        sample.append(example)
        size += len(example.reference)
    return sample


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Let training go on as if nothing had been drawn in the block."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def capture_emissions(ner: LlamaNER, callback: EmissionCallback) -> Iterator[None]:
    """Hand on what the head of a component reads and gives in predictions made in the block.

    Nothing is computed a second time: this is a forward hook of torch's on the head. Updates are passed over.

    Args:
        ner: The component, with weights.
        callback: Is given word vectors and emissions of each doc, batch by batch in the order of the docs. A batch
            without any word is left out.
    """
    from ..head.architectures import get_head

    head = get_head(ner.model)

    def hook(module: Any, inputs: tuple[Any, list[int]], output: Any) -> None:
        if not module.training:
            words, lengths = inputs
            arrays: list[Any] = [torch2xp(tensor.detach()) for tensor in (words, output)]
            callback(split_rows(arrays[0], lengths), split_rows(arrays[1], lengths))

    handle = head.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


class LossRecorder:
    """The loss of a component on the examples that it was scored on last; see `record_loss`.

    Attributes:
        loss: That of training, a mean over the words with a known tag, but in evaluation mode. None if the component
            has not been scored, the gold data has labels that it does not know, no tag is known, or another component
            has changed the words since the prediction.
    """

    def __init__(self, ner: LlamaNER) -> None:
        self.loss: float | None = None
        self._ner = ner
        self._emissions: list[Floats2d] = []

    def clear(self) -> None:
        """Forget the predictions of docs that were not scored, such as those of `training.annotating_components`."""
        self._emissions.clear()

    def add_batch(self, words: list[Floats2d], emissions: list[Floats2d]) -> None:
        """Take in the emissions of a batch of docs; see `capture_emissions`."""
        self._emissions.extend(doc for doc in emissions if len(doc))

    def set_loss(self, examples: list[Example]) -> None:
        """Compute the loss on examples whose predictions are the last ones that were taken in."""
        from ..head.inference import mean_loss

        examples = [eg for eg in examples if len(eg.predicted)]
        # what was predicted before them was not to be scored
        emissions = self._emissions[len(self._emissions) - len(examples) :]
        self.clear()
        self.loss = None
        if set(collect_labels(examples)) <= set(self._ner.labels):
            tags = [gold_tags(eg, self._ner.labels) for eg in examples]
            if [len(doc) for doc in tags] == [len(doc) for doc in emissions]:
                self.loss = mean_loss(self._ner.model, emissions, tags)


@contextmanager
def record_loss(ner: LlamaNER) -> Iterator[LossRecorder]:
    """Compute the loss of a component whenever it is scored in the block, as by `nlp.evaluate`.

    Args:
        ner: The component, with weights. All docs have to be predicted in this process, and be scored right after.

    Yields:
        What has the loss on the examples that were scored last.
    """
    recorder = LossRecorder(ner)
    ner.score_callbacks.append(recorder.set_loss)
    try:
        with capture_emissions(ner, recorder.add_batch):
            yield recorder
    finally:
        ner.score_callbacks.remove(recorder.set_loss)


def scores_and_loss(
    evaluate: Callable[[list[Example]], Scores], ner: LlamaNER, examples: Iterable[Example]
) -> tuple[Scores, float | None]:
    """Evaluate a pipeline, and compute the loss of a component from the same predictions.

    Args:
        evaluate: Such as `nlp.evaluate`: predicts, and scores by the scorers of the components.
        ner: The component.
        examples: The gold data.

    Returns:
        What `evaluate` returns, and the loss; None if it is not known (see `LossRecorder`).
    """
    with record_loss(ner) as recorder:
        scores = evaluate(list(examples))
    return scores, recorder.loss
