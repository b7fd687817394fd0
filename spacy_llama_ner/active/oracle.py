"""Who is asked for labels: people behind some tool, or gold data that stand in for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..data.docs import match_words, words_of
from ..data.errors import LlamaNERError
from .config import read_corpus


class OracleError(LlamaNERError):
    """An answer that does not fit its question, or none at all."""


class Oracle(Protocol):
    """Gives docs their labels."""

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """The same texts in the same order, with gold entities.

        docs: with what the model suggests in `doc.ents`, from the second round on.

        Words whose label the answer leaves open have `ent_iob` 0, as everywhere in spaCy; they teach nothing.
        May be asked for the same docs again, without any work for anybody: a run that was killed does so.

        Raises: ValueError or OSError where there is no answer, or none yet; the message says how to go on.
        """


def make_gold_oracle(path: Path | None) -> Oracle:
    """`spacy_llama_ner.gold_oracle.v1`: gold data in the part of the expert, for simulations.

    path: a .spacy file, or a folder of them, with every sentence that may be asked for.
    """
    # told at the start, not after the first training
    if path is None or not Path(path).exists():
        raise OracleError(f"The gold data {path} are not there. Give a .spacy file or a folder of them (paths.gold).")
    return GoldOracle(Path(path))


class GoldOracle:
    """Looks docs up by their words. Of gold docs with the same words the first one counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gold: list[Doc] | None = None

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """As `Oracle.ask`."""
        if self._gold is None:
            self._gold = read_corpus(self._path, Vocab(), what="gold")
        found = []
        for doc, gold in match_words(docs, self._gold):
            if gold is None:
                raise OracleError(
                    f"{self._path} has no doc with the words {doc.text[:60]!r}. Give gold data that are cut into the "
                    "same sentences and words as the pool."
                )
            found.append(gold)
        return found


def check_answers(asked: Sequence[Doc], answers: Sequence[Doc]) -> None:
    """Raise OracleError unless there is an answer with the same words for each doc, in order."""
    if len(asked) != len(answers):
        raise OracleError(f"The oracle was asked about {len(asked):,} docs and answered {len(answers):,}.")
    for number, (doc, answer) in enumerate(zip(asked, answers, strict=True), start=1):
        if words_of(doc) != words_of(answer):
            raise OracleError(
                f"Answer {number:,} of {len(asked):,} is about {answer.text[:60]!r}, but the question was "
                f"{doc.text[:60]!r}. An answer keeps the words of its question."
            )
