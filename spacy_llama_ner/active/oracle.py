"""Who is asked for labels: the interface of an oracle, and gold data in the part of the expert."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..data.docs import pair_by_words, words_of
from ..data.errors import LlamaNERError
from .config import read_nonempty_docs


class OracleError(LlamaNERError):
    """An answer that does not fit its question, or none at all."""


class Oracle(Protocol):
    """Gives docs their labels."""

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Label docs.

        It may be asked about the same docs again, without any work for anybody: a run that was killed does so.

        Args:
            docs: What is to be labelled, from the second round on with the model's suggestions in `doc.ents`.

        Returns:
            The same texts in the same order, with gold entities. Words whose label is left open have `ent_iob` 0, as
            everywhere in spaCy; they teach nothing.

        Raises:
            ValueError: If there is no answer, or none yet; the message says how to go on. OSError as well.
        """


class GoldOracle:
    """`spacy_llama_ner.GoldOracle.v1`: answer from gold data, for simulations.

    Docs are looked up by their words. Of gold docs with the same words the first one counts.

    Args:
        path: A .spacy file, or a folder of them, with every sentence that may be asked about.

    Raises:
        OracleError: If there is nothing at `path`; at the start, not after the first training.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None or not Path(path).exists():
            raise OracleError(
                f"The gold data {path} do not exist. Give a .spacy file or a folder of them (paths.gold)."
            )
        self._path = Path(path)
        self._gold: list[Doc] | None = None

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Look docs up, as `Oracle.ask` says.

        Raises:
            OracleError: If the gold data lack one of the docs.
        """
        if self._gold is None:
            self._gold = read_nonempty_docs(self._path, Vocab(), what="gold")
        found = []
        for doc, gold in pair_by_words(docs, self._gold):
            if gold is None:
                raise OracleError(
                    f"{self._path} has no doc with the words {doc.text[:60]!r}. Give gold data that are cut into the "
                    "same sentences and words as the pool."
                )
            found.append(gold)
        return found


def check_answers(asked: Sequence[Doc], answers: Sequence[Doc]) -> None:
    """Check that each doc has an answer with the same words, in order.

    Raises:
        OracleError: If not.
    """
    if len(asked) != len(answers):
        raise OracleError(f"The oracle was asked about {len(asked):,} docs and answered {len(answers):,}.")
    for number, (doc, answer) in enumerate(zip(asked, answers, strict=True), start=1):
        if words_of(doc) != words_of(answer):
            raise OracleError(
                f"Answer {number:,} of {len(asked):,} is about {answer.text[:60]!r}, but the question was "
                f"{doc.text[:60]!r}. An answer keeps the words of its question."
            )
