"""What a round leaves on the disk: a file for each thing that is done, there in full or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..data.docbin import write_docbin
from ..data.files import atomic_dir, atomic_write
from ..evaluate.scorer import ENTS_F
from .training import Filtered


@dataclass(frozen=True)
class Round:
    """A folder of files that appear one after the other.

    asked.spacy: what the oracle was asked, with suggestions. scores.jsonl: the scores by which it was chosen.
    answers.spacy: its labels. pipeline: what was trained. result.json: how good that is. seconds.json: how long
    everything took, which differs from run to run, as nothing else does.
    """

    folder: Path
    number: int

    @property
    def pipeline(self) -> Path:
        """Folder of the trained pipeline."""
        return self.folder / "pipeline"

    @property
    def has_pipeline(self) -> bool:
        """Whether it is there."""
        return self.pipeline.is_dir()

    @property
    def result(self) -> dict[str, Any] | None:
        """The round's line of the history; None until it is over."""
        path = self.folder / "result.json"
        return srsly.read_json(path) if path.is_file() else None

    @property
    def next(self) -> Round:
        """The round behind this one, begun or not."""
        return Round(self.folder.with_name(f"{self.number + 1:03}"), self.number + 1)

    def asked(self, vocab: Vocab) -> list[Doc] | None:
        """What is to be asked; None until it has been chosen."""
        return _read(self.folder / "asked.spacy", vocab)

    def answers(self, vocab: Vocab) -> list[Doc] | None:
        """The labels that were bought; None until they are there."""
        return _read(self.folder / "answers.spacy", vocab)

    def ask(self, docs: Sequence[Doc], scores: Sequence[float]) -> None:
        """Put down what is to be asked."""
        lines = [{"score": score, "text": doc.text} for doc, score in zip(docs, scores, strict=True)]
        with atomic_write(self.folder / "scores.jsonl") as partial:
            srsly.write_jsonl(partial, lines)
        write_docbin(docs, self.folder / "asked.spacy")

    def answer(self, docs: Sequence[Doc]) -> None:
        """Put down the labels that were bought."""
        write_docbin(docs, self.folder / "answers.spacy")

    @property
    def silver(self) -> dict[str, int]:
        """What was kept of the silver labels."""
        return srsly.read_json(self.folder / "silver.json")

    def save(self, nlp: Language, silver: Filtered) -> None:
        """Put down the trained pipeline, and what it learned from beside gold."""
        with atomic_write(self.folder / "silver.json") as partial:
            counts = {"sentences": len(silver.docs), "dropped": silver.dropped, "masked_words": silver.masked}
            srsly.write_json(partial, counts)
        with atomic_dir(self.pipeline) as partial:
            nlp.to_disk(partial)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Put down how good it is."""
        with atomic_write(self.folder / "result.json") as partial:
            srsly.write_json(partial, dict(result))

    def is_pushed(self, repo: str) -> bool:
        """Whether the pipeline is in this repository already."""
        path = self.folder / "pushed.json"
        return path.is_file() and srsly.read_json(path).get("repo") == repo

    def note_pushed(self, repo: str, url: str) -> None:
        """Put down that it is."""
        with atomic_write(self.folder / "pushed.json") as partial:
            srsly.write_json(partial, {"repo": repo, "url": url})

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of `what`."""
        start = perf_counter()
        yield
        path = self.folder / "seconds.json"
        known = srsly.read_json(path) if path.is_file() else {}
        known[what] = round(known.get(what, 0.0) + perf_counter() - start, 2)
        with atomic_write(path) as partial:
            srsly.write_json(partial, known)

    @property
    def seconds(self) -> dict[str, float]:
        """How long everything took, in the process that did it."""
        path = self.folder / "seconds.json"
        return srsly.read_json(path) if path.is_file() else {}


def find_rounds(output: Path) -> Iterator[Round]:
    """The rounds of a run, without end: those that are there, and those to come."""
    this = Round(output / "rounds" / "000", 0)
    while True:
        yield this
        this = this.next


def _read(path: Path, vocab: Vocab) -> list[Doc] | None:
    return list(DocBin().from_disk(path).get_docs(vocab)) if path.is_file() else None


def has_converged(scores: Sequence[float], *, min_rounds: int, patience: int, min_gain: float) -> bool:
    """Whether the last `patience` of `scores` have not brought the best of those before them up by `min_gain`.

    scores: of the start and of each round after it. Not before `min_rounds` rounds.
    """
    if len(scores) - 1 < max(min_rounds, patience):
        return False
    before, last = scores[:-patience], scores[-patience:]
    return max(last) < max(before) + min_gain


def find_best(scores: Sequence[float]) -> int:
    """The place of the highest score; among equals the first, which took the fewest labels."""
    return max(range(len(scores)), key=lambda i: scores[i])


HISTORY, BEST, GOLD, MARK = "history.jsonl", "model-best", "gold.spacy", "best.json"


def publish(output: Path, rounds: Sequence[Round], *, gold: Sequence[Doc]) -> Round:
    """Write what the rounds so far have come to; give the best one, by F1 on dev.

    history.jsonl: a line for each round. model-best: the pipeline of the best, which a round that is not better never
    replaces. gold.spacy: all labels that were bought.
    """
    history = [each.result or {} for each in rounds]
    with atomic_write(output / HISTORY) as partial:
        srsly.write_jsonl(partial, history)
    if gold:
        write_docbin(gold, output / GOLD)
    best = best_of(rounds)
    mark: dict[str, Any] = {"round": best.number, ENTS_F: history[best.number]["dev"][ENTS_F]}
    path = output / MARK
    if not (output / BEST).is_dir() or not path.is_file() or srsly.read_json(path) != mark:
        with atomic_dir(output / BEST) as copy:
            shutil.copytree(best.pipeline, copy)
        with atomic_write(path) as partial:
            srsly.write_json(partial, mark)
    return best


def best_of(rounds: Sequence[Round]) -> Round:
    """The best round by F1 on dev. All are over."""
    return rounds[find_best([(each.result or {})["dev"][ENTS_F] for each in rounds])]
