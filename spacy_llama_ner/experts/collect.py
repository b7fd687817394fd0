"""Finished files of any tool, put together: one doc for each text that somebody answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..data.partial import agreed
from ..data.records import read_records
from ..data.report import Report
from .answer import Answer, AnswerError, Verdict
from .check import Rules, apply_answer
from .fields import BAD_RECORD, as_object
from .formats import Format, guess_format
from .task import task_key

NOT_OURS = "text not given out"
BAD_WORDS = "words differ"
ANSWERED_AGAIN = "answered again"
DISAGREEMENT = "experts disagree"


@dataclass
class Texts:
    """The docs that were given out, by key and by text; without any, docs are made of what comes back."""

    nlp: Language
    docs: dict[str, Doc] = field(default_factory=dict)
    by_text: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, docs: Iterable[Doc], nlp: Language) -> Texts:
        """Texts that were given out."""
        texts = cls(nlp)
        for doc in docs:
            key = task_key(doc)
            texts.docs[key] = doc
            texts.by_text.setdefault(doc.text, key)
        return texts

    def find(self, answer: Answer) -> tuple[str, Doc]:
        """Key and doc of the text of an answer. Raises AnswerError where it was not given out."""
        if not self.docs:
            doc = self._make(answer)
            return task_key(doc), doc
        key = answer.key if answer.key in self.docs else self.by_text.get(answer.text)
        if key is None:
            raise AnswerError(
                NOT_OURS,
                f"{answer.text[:80]!r} is none of the texts that were exported. Give the folder that it was exported "
                "to, or none, where it comes from elsewhere.",
            )
        return key, self.docs[key]

    def _make(self, answer: Answer) -> Doc:
        if answer.words is None:
            return self.nlp.make_doc(answer.text)
        doc = Doc(self.nlp.vocab, words=[w for w, _ in answer.words], spaces=[s for _, s in answer.words])
        if doc.text != answer.text:
            raise AnswerError(
                BAD_WORDS,
                f"its tokens make {doc.text[:80]!r}, and its text is {answer.text[:80]!r}. Leave tokens out.",
            )
        return doc


@dataclass
class Collection:
    """What came back.

    docs: one for each text with an answer, in the order of the first answers. verdicts: how many answers were done,
    skipped, or open. skipped: keys of texts that somebody would not label.
    """

    docs: list[Doc]
    verdicts: Counter[Verdict]
    skipped: set[str]


Heard = tuple[int, Answer, Doc]


def collect(
    files: Sequence[Path],
    texts: Texts,
    rules: Rules,
    report: Report,
    *,
    format: Format | None = None,
    annotator: str | None = None,
    one_expert: bool = False,
) -> Collection:
    """Read finished files, check every answer, and put those to the same text together.

    format: None goes by the look of the first record of each file.
    annotator: whose answers count; None for all. Where the tool does not say whose an answer is, the name of the file
        stands for it.
    one_expert: there all files are one expert's instead, the later ones behind the earlier.

    A later answer of the same expert takes the place of an earlier one, unless both are partial; then both count.
    Where experts disagree, the words in question are not known. What does not fit goes into `report`, and the rest
    is kept. Raises: ValueError where a file cannot be read at all, or the tool cannot be told.
    """
    verdicts: Counter[Verdict] = Counter()
    skipped: set[str] = set()
    given: dict[str, dict[str, list[Heard]]] = {}
    for path in files:
        where = f"{path.name}: " if len(files) > 1 else ""
        for at, answer in _answers(path, report, format, where):
            name = answer.annotator or ("" if one_expert else path.stem)
            if annotator is not None and name != annotator:
                continue
            verdicts[answer.verdict] += 1
            if answer.verdict == "skipped":
                with suppress(AnswerError):
                    skipped.add(texts.find(answer)[0])
            if answer.verdict != "done":
                continue
            try:
                key, doc = texts.find(answer)
                heard = (at, answer, apply_answer(doc, answer, rules))
            except AnswerError as error:
                report.rejected(at, error.problem, where + error.detail)
                continue
            by_expert = given.setdefault(key, {})
            by_expert[name] = _keep(by_expert.get(name, []), heard, report)
    return Collection([_together(by_expert, report) for by_expert in given.values()], verdicts, skipped)


def _answers(path: Path, report: Report, format: Format | None, where: str) -> Iterator[tuple[int, Answer]]:
    unclear = 0
    for at, record in read_records(path, report):
        format = format or guess_format(record)
        if format is None:
            unclear = unclear or at
            report.rejected(at, BAD_RECORD, where + "it does not tell which tool it comes from.")
            continue
        try:
            answers = format.read(as_object(record, "the record"))
        except AnswerError as error:
            answers = [error]
        for each in answers:
            if isinstance(each, AnswerError):
                report.rejected(at, each.problem, where + each.detail)
            else:
                yield at, each
    if format is None and unclear:
        raise ValueError(
            f"Record {unclear} of {path} does not tell which tool it comes from. Name the format, or give a file "
            "that Label Studio (JSON, JSON-MIN), Prodigy (db-out) or doccano (JSONL) has exported."
        )


def _keep(earlier: list[Heard], new: Heard, report: Report) -> list[Heard]:
    at, answer, _ = new
    if not earlier or (answer.partial and all(each.partial for _, each, _ in earlier)):
        return [*earlier, new]
    report.repaired(at, ANSWERED_AGAIN, f"{answer.text[:60]!r} has two answers of one expert; the later one counts")
    # of the same time, or none, the last one
    return [max([new, *reversed(earlier)], key=lambda heard: heard[1].when)]


def _together(by_expert: dict[str, list[Heard]], report: Report) -> Doc:
    docs = [agreed([doc for _, _, doc in answers]) for answers in by_expert.values()]
    whole = agreed(docs)
    lost = sum(any(doc[i].ent_iob for doc in docs) and not whole[i].ent_iob for i in range(len(whole)))
    if lost:
        at = max(at for answers in by_expert.values() for at, _, _ in answers)
        report.repaired(
            at, DISAGREEMENT, f"{', '.join(by_expert)} on {whole.text[:60]!r}: {lost} words are not known now"
        )
    return whole
