"""The rounds of active learning on disk: a round's folder, when rounds are over, and what a run writes beside them.

Each file of a round is there in full or not at all, so that a run that was stopped goes on with what is missing.
"""

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
from .training import FilteredSilver

# what a run writes beside its rounds
HISTORY_FILE = "history.jsonl"
GOLD_FILE = "gold.spacy"
BEST_PIPELINE = "model-best"
# which round the best pipeline is of
BEST_FILE = "best.json"


@dataclass(frozen=True)
class Round:
    """The folder of a round, whose files appear one after the other.

    | file | content |
    | --- | --- |
    | scores.jsonl | the docs that were chosen, and their scores |
    | asked.spacy | what the oracle is asked, with suggestions |
    | answers.spacy | its labels |
    | silver.json | what is kept of the silver labels |
    | pipeline | the trained pipeline, a folder |
    | result.json | how good it is: a line of the history |
    | pushed.json | where it is on the Hub |
    | seconds.json | how long everything took; this alone differs from run to run |

    Attributes:
        folder: The folder, whether it exists or not.
        number: Number of the round, from 0.
    """

    folder: Path
    number: int

    @property
    def next(self) -> Round:
        """The round after this one, whether it exists or not."""
        return Round(self.folder.with_name(f"{self.number + 1:03}"), self.number + 1)

    def read_questions(self, vocab: Vocab) -> list[Doc] | None:
        """Read what the oracle is asked; None until it has been chosen."""
        return _read_docs(self.folder / "asked.spacy", vocab)

    def save_questions(self, docs: Sequence[Doc], scores: Sequence[float]) -> None:
        """Write what the oracle is asked, and the scores by which it was chosen."""
        lines = [{"score": score, "text": doc.text} for doc, score in zip(docs, scores, strict=True)]
        with atomic_write(self.folder / "scores.jsonl") as partial:
            srsly.write_jsonl(partial, lines)
        write_docbin(docs, self.folder / "asked.spacy")

    def read_answers(self, vocab: Vocab) -> list[Doc] | None:
        """Read the labels that were bought; None until they are there."""
        return _read_docs(self.folder / "answers.spacy", vocab)

    def save_answers(self, docs: Sequence[Doc]) -> None:
        """Write the labels that were bought."""
        write_docbin(docs, self.folder / "answers.spacy")

    @property
    def pipeline(self) -> Path:
        """Folder of the trained pipeline."""
        return self.folder / "pipeline"

    @property
    def has_pipeline(self) -> bool:
        """Whether the pipeline is trained."""
        return self.pipeline.is_dir()

    @property
    def silver_counts(self) -> dict[str, int]:
        """What was kept of the silver labels: `sentences`, `dropped` and `masked_words`."""
        return srsly.read_json(self.folder / "silver.json")

    def save_pipeline(self, nlp: Language, silver: FilteredSilver) -> None:
        """Write the trained pipeline, and what was kept of the silver labels."""
        with atomic_write(self.folder / "silver.json") as partial:
            counts = {"sentences": len(silver.docs), "dropped": silver.dropped, "masked_words": silver.masked}
            srsly.write_json(partial, counts)
        with atomic_dir(self.pipeline) as partial:
            nlp.to_disk(partial)

    @property
    def result(self) -> dict[str, Any] | None:
        """The round's line of the history; None until the round is over."""
        path = self.folder / "result.json"
        return srsly.read_json(path) if path.is_file() else None

    def save_result(self, result: Mapping[str, Any]) -> None:
        """Write the round's line of the history, which ends the round."""
        with atomic_write(self.folder / "result.json") as partial:
            srsly.write_json(partial, dict(result))

    def is_pushed(self, repo: str) -> bool:
        """Tell whether the pipeline is in this repository already."""
        path = self.folder / "pushed.json"
        return path.is_file() and srsly.read_json(path).get("repo") == repo

    def save_pushed(self, repo: str, url: str) -> None:
        """Write that the pipeline is in this repository."""
        with atomic_write(self.folder / "pushed.json") as partial:
            srsly.write_json(partial, {"repo": repo, "url": url})

    @property
    def seconds(self) -> dict[str, float]:
        """How long the steps of the round took, by their names."""
        path = self.folder / "seconds.json"
        return srsly.read_json(path) if path.is_file() else {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of a step."""
        start = perf_counter()
        yield
        known = self.seconds
        known[step] = round(known.get(step, 0.0) + perf_counter() - start, 2)
        with atomic_write(self.folder / "seconds.json") as partial:
            srsly.write_json(partial, known)


def _read_docs(path: Path, vocab: Vocab) -> list[Doc] | None:
    return list(DocBin().from_disk(path).get_docs(vocab)) if path.is_file() else None


def iter_rounds(output: Path) -> Iterator[Round]:
    """Go through the rounds of a run, without end: those that exist, and those to come."""
    current = Round(output / "rounds" / "000", 0)
    while True:
        yield current
        current = current.next


def has_converged(scores: Sequence[float], *, min_rounds: int, patience: int, min_gain: float) -> bool:
    """Tell whether the last rounds have gained too little.

    Args:
        scores: The score of the start and of each round after it.
        min_rounds: Not before so many rounds.
        patience: How many rounds have to gain too little.
        min_gain: By how much the best of these has to be above the best before them.
    """
    if len(scores) - 1 < max(min_rounds, patience):
        return False
    before, last = scores[:-patience], scores[-patience:]
    return max(last) < max(before) + min_gain


def first_highest(scores: Sequence[float]) -> int:
    """Return the index of the highest score; among equals the first, which took the fewest labels."""
    return max(range(len(scores)), key=lambda i: scores[i])


def find_best_round(rounds: Sequence[Round]) -> Round:
    """Return the round with the highest F1 on dev. All rounds have to be over."""
    return rounds[first_highest([(each.result or {})["dev"][ENTS_F] for each in rounds])]


def write_outputs(output: Path, rounds: Sequence[Round], *, gold: Sequence[Doc]) -> Round:
    """Write the history, all labels that were bought, and the best pipeline.

    The best pipeline is replaced by a better one alone.

    Args:
        output: Folder of the run.
        rounds: The rounds so far, all of them over.
        gold: All labels that were bought.

    Returns:
        The best round, by F1 on dev.
    """
    history = [each.result or {} for each in rounds]
    with atomic_write(output / HISTORY_FILE) as partial:
        srsly.write_jsonl(partial, history)
    if gold:
        write_docbin(gold, output / GOLD_FILE)
    best = find_best_round(rounds)
    record: dict[str, Any] = {"round": best.number, ENTS_F: history[best.number]["dev"][ENTS_F]}
    path = output / BEST_FILE
    if not (output / BEST_PIPELINE).is_dir() or not path.is_file() or srsly.read_json(path) != record:
        with atomic_dir(output / BEST_PIPELINE) as copy:
            shutil.copytree(best.pipeline, copy)
        with atomic_write(path) as partial:
            srsly.write_json(partial, record)
    return best
