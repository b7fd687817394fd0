"""Finished files of any tool, put together: one doc for each text that somebody answered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from ..data.docbin import write_docbin
from ..data.docs import agreed, unlabelled
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..data.records import read_records
from .formats import TaskFormat, guess_format
from .records import BAD_RECORD, Answer, AnswerError, Mark, Verdict, as_object, make_tasks, show, task_key

OTHER_TEXT = "text differs"
UNKNOWN_LABEL = "label not allowed"
BAD_OFFSETS = "wrong offsets"
CUT_WORD = "cut word"
OVERLAP = "overlap"


@dataclass(frozen=True)
class Rules:
    """What is asked of answers.

    labels: those that are allowed; None allows all.
    unknown: the label by which experts mark words that they cannot tell; None where they have none.
    partial: words outside of marks are not known, in every answer.
    """

    labels: Collection[str] | None = None
    unknown: str | None = None
    partial: bool = False

    @property
    def shown(self) -> list[str]:
        """What experts choose from."""
        return [*(self.labels or ()), *([self.unknown] if self.unknown else [])]


def apply_answer(doc: Doc, answer: Answer, rules: Rules) -> Doc:
    """A copy of `doc` with the entities of an answer. Words that nobody spoke about are missing, as spaCy calls it.

    An answer that was skipped leaves all words missing. Where offsets count UTF-16 units, as JavaScript does, and the
    text of the mark tells so, they are put right; white space at the ends of a mark is left out.

    Raises: AnswerError for another text, a label that is not allowed, offsets that do not hold the text they claim,
    marks that cut words or overlap.
    """
    if answer.text != doc.text:
        raise AnswerError(
            OTHER_TEXT,
            f"the text is {show(answer.text)}, and {show(doc.text)} was given out. Offsets mean nothing in another "
            "text: mark this one again.",
        )
    found: dict[tuple[int, int, str], Span] = {}
    for mark in answer.marks:
        _check_label(mark, rules)
        span = _on_words(doc, mark, *_characters(doc.text, mark))
        found[span.start, span.end, span.label_] = span
    spans = sorted(found.values(), key=lambda span: (span.start, span.end))
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise AnswerError(
                OVERLAP,
                f"{one.text!r} ({one.label_}) and {other.text!r} ({other.label_}) share words. Entities are flat: "
                "keep one of the two.",
            )
    result = doc.copy()
    if answer.verdict != "done":
        result.set_ents([], default="missing")
        return result
    kept = [Span(result, span.start, span.end, label=span.label) for span in spans]
    result.set_ents(
        [span for span in kept if span.label_ != rules.unknown],
        missing=[span for span in kept if span.label_ == rules.unknown],
        default="missing" if rules.partial or answer.partial else "outside",
    )
    return result


def _check_label(mark: Mark, rules: Rules) -> None:
    if rules.labels is None or mark.label in rules.labels or mark.label == rules.unknown:
        return
    raise AnswerError(
        UNKNOWN_LABEL,
        f"{mark.label!r} (characters {mark.start} to {mark.end}) is none of the labels {', '.join(rules.labels)}. "
        "Change the label of the mark, or allow it.",
    )


def _characters(text: str, mark: Mark) -> tuple[int, int]:
    """Where the mark is, without white space at its ends."""
    start, end = mark.start, mark.end
    if mark.text is not None and not _same(text[max(0, start) : end], mark.text):
        start, end = (_from_utf16(text, offset) for offset in (start, end))
        if not _same(text[max(0, start) : end], mark.text):
            start, end = mark.start, mark.end
    if not 0 <= start < end <= len(text) or (mark.text is not None and not _same(text[start:end], mark.text)):
        claimed = "" if mark.text is None else f" are said to hold {mark.text!r}, and"
        raise AnswerError(
            BAD_OFFSETS,
            f"characters {mark.start} to {mark.end} ({mark.label}){claimed} hold {text[max(0, start) : end]!r} in a "
            f"text of {len(text)} characters. Mark the entity again.",
        )
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
    if start >= end:
        raise AnswerError(
            BAD_OFFSETS, f"characters {mark.start} to {mark.end} ({mark.label}) hold white space alone."
        )
    return start, end


def _on_words(doc: Doc, mark: Mark, start: int, end: int) -> Span:
    span = doc.char_span(start, end, label=mark.label)
    if span is None:
        whole = doc.char_span(start, end, alignment_mode="expand")
        assert whole is not None  # "expand" always finds words
        raise AnswerError(
            CUT_WORD,
            f"{doc.text[start:end]!r} ({mark.label}, characters {start} to {end}) begins or ends within a word; with "
            f"whole words it is {whole.text!r}. Mark that, or nothing.",
        )
    return span


def _same(found: str, claimed: str) -> bool:
    """Whether two pieces are the same; tools write line breaks as they like, sometimes as a backslash and an n."""
    return found == claimed or _spaced(found) == _spaced(claimed)


def _spaced(text: str) -> str:
    return re.sub(r"(\\r|\\n|\s)+", " ", text).strip()


def _from_utf16(text: str, offset: int) -> int:
    """The character at an offset that counts what lies outside of the Basic Multilingual Plane twice."""
    encoded = text.encode("utf-16-le")[: 2 * max(0, offset)]
    return len(encoded.decode("utf-16-le", errors="replace"))


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
class CollectedAnnotations:
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
    report: ProblemReport,
    *,
    format: TaskFormat | None = None,
    annotator: str | None = None,
    one_expert: bool = False,
) -> CollectedAnnotations:
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
    return CollectedAnnotations([_together(by_expert, report) for by_expert in given.values()], verdicts, skipped)


def _answers(
    path: Path, report: ProblemReport, format: TaskFormat | None, where: str
) -> Iterator[tuple[int, Answer]]:
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


def _keep(earlier: list[Heard], new: Heard, report: ProblemReport) -> list[Heard]:
    at, answer, _ = new
    if not earlier or (answer.partial and all(each.partial for _, each, _ in earlier)):
        return [*earlier, new]
    report.repaired(at, ANSWERED_AGAIN, f"{answer.text[:60]!r} has two answers of one expert; the later one counts")
    # of the same time, or none, the last one
    return [max([new, *reversed(earlier)], key=lambda heard: heard[1].when)]


def _together(by_expert: dict[str, list[Heard]], report: ProblemReport) -> Doc:
    docs = [agreed([doc for _, _, doc in answers]) for answers in by_expert.values()]
    whole = agreed(docs)
    lost = sum(any(doc[i].ent_iob for doc in docs) and not whole[i].ent_iob for i in range(len(whole)))
    if lost:
        at = max(at for answers in by_expert.values() for at, _, _ in answers)
        report.repaired(
            at, DISAGREEMENT, f"{', '.join(by_expert)} on {whole.text[:60]!r}: {lost} words are not known now"
        )
    return whole


TEXTS = "texts.spacy"
ABOUT = "export.json"


@dataclass(frozen=True)
class Given:
    """What was given out: the labels to choose from, and the texts."""

    labels: list[str]
    texts: Texts


def write_tasks(docs: Iterable[Doc], folder: Path, *, format: TaskFormat, labels: Sequence[str]) -> int:
    """Write tasks for the texts of `docs`, with their entities as suggestions. Returns how many.

    `folder` gets the files of the tool, and `texts.spacy` and `export.json`, by which `open_tasks` knows the words
    and labels again. Of the same text, words included, there is one task. Raises: ValueError where no text is left.
    """
    unique = {task_key(doc): doc for doc in docs if doc.text.strip()}
    tasks = list(make_tasks(unique.values(), labels))
    write_docbin(map(unlabelled, unique.values()), folder / TEXTS)
    format.write(tasks, labels, folder)
    with atomic_write(folder / ABOUT) as partial:
        srsly.write_json(partial, {"labels": list(labels)})
    return len(tasks)


def open_tasks(folder: Path, nlp: Language) -> Given:
    """What `write_tasks` put into `folder`. Raises: ValueError where the folder is not one of its own, or damaged."""
    try:
        about = srsly.read_json(folder / ABOUT)
        docs = DocBin().from_disk(folder / TEXTS).get_docs(nlp.vocab)
        return Given(list(about["labels"]), Texts.of(docs, nlp))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder} holds no whole export ({ABOUT} and {TEXTS}): {error!r}. Give the folder that "
            "`llama-ner export` wrote."
        ) from error
