"""The entities of docs, as a writer answers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc

from ..head.inference import Entity
from .architectures import GeneratorModel, get_generator
from .chunks import Chunk, cut
from .constrained_decoding import ConstrainedPath
from .formats import AnswerFormat, Found, Node
from .modules import Generated, Generator, Rows
from .prompt import system_prompt
from .settings import GeneratorSettings


class Questions:
    """How a writer is asked for entities with certain labels.

    labels: descriptions, which may be empty, by label.
    """

    def __init__(self, writer: Generator, settings: GeneratorSettings, labels: Mapping[str, str]) -> None:
        self.labels = tuple(labels)
        self._format = settings.format
        self._speller = writer.desk.speller
        system = system_prompt(settings.system or settings.format.instruction, labels)
        self.frame = writer.desk.frame(system)
        self._positions = int(writer.desk.base.config.max_position_embeddings) - len(self.frame.before)
        self._longest = max(labels, key=lambda label: len(self.spell(label)), default="")

    def as_written(self, chunk: Chunk) -> Chunk:
        """A chunk with its words as the base spells them."""
        return self._speller.as_written(chunk)

    def ask(self, chunk: Chunk) -> tuple[int, ...]:
        """What comes behind the beginning that all questions share: the text, up to where the answer begins."""
        return self._speller.text(chunk.text) + self.frame.after

    def spell(self, piece: str) -> tuple[int, ...]:
        """The subwords of a piece of an answer."""
        return self._speller.piece(piece)

    def decode(self, ids: list[int]) -> str:
        """The text of an answer."""
        return self._speller.decode(ids)

    def room(self, asked: tuple[int, ...]) -> int:
        """For how many subwords of an answer the base has positions left; less than 1 for none."""
        return self._positions - len(asked)

    def limit(self, chunk: Chunk) -> int:
        """The length of the longest answer, where each word is an entity by itself, and its end."""
        most = self._format.write(chunk, [(i, i + 1, self._longest) for i in range(len(chunk.words))])
        return sum(len(self.spell(piece)) for piece in most) + 1


class Reading(NamedTuple):
    """The entities that an answer names, and whether it could be read to its end.

    If not, those are left that were complete before the first character that does not fit.
    """

    entities: list[Found]
    whole: bool


def read(answer: str, chunk: Chunk, labels: Sequence[str], *, format: AnswerFormat) -> Reading:
    """Follow `answer` through the steps of `format`, in one of the ways in which it goes farthest.

    Where two pieces begin alike, both are tried; none is tried twice from the same place, so that the time grows with
    the length of the answer. White space behind an answer is passed over.
    """
    start = Node(0, format.start)
    came_from: dict[Node, Node | None] = {start: None}
    waiting = [start]
    best = start
    while waiting:
        node = waiting.pop()
        if not answer[node.position :].strip() and format.is_end(node.state, chunk):
            return Reading(format.read(_path(node, came_from), whole=True), True)
        if node.position > best.position:
            best = node
        behind = []
        for piece, state in format.steps(node.state, chunk, labels):
            there = Node(node.position + len(piece), state)
            if answer.startswith(piece, node.position) and there not in came_from:
                came_from[there] = node
                behind.append(there)
        waiting.extend(reversed(behind))
    return Reading(format.read(_path(best, came_from), whole=False), False)


def _path(node: Node, came_from: dict[Node, Node | None]) -> list[Node]:
    path = []
    at: Node | None = node
    while at is not None:
        path.append(at)
        at = came_from[at]
    return path[::-1]


# questions, and subwords with their answers, that are answered together at most
MOST_ROWS = 32
MOST_SUBWORDS = 16_384


class Generation(NamedTuple):
    """What was found in a doc, and how many answers about it (one for each chunk) did not parse to their end."""

    entities: list[Entity]
    failures: int


class _Question(NamedTuple):
    doc: int
    chunk: Chunk
    asked: tuple[int, ...]
    limit: int


def answer(model: GeneratorModel, docs: Sequence[Doc], labels: Mapping[str, str]) -> list[Generation]:
    """The entities of each doc, in order, with their scores.

    labels: descriptions, which may be empty, by label.
    The score of an entity is the mean probability that the base gave the subwords of the answer that mark it. Of an
    answer that does not parse, what was complete before the first slip is kept. A chunk that leaves no room for an
    answer counts as one that does not parse.
    """
    settings: GeneratorSettings = model.attrs["settings"]
    writer = get_generator(model)
    questions = Questions(writer, settings, labels)
    answers = [Generation([], 0) for _ in docs]
    asked = _ask(docs, questions, settings)
    for each in asked:
        if each.limit < 1:
            answers[each.doc] = answers[each.doc]._replace(failures=answers[each.doc].failures + 1)
    for batch in _batches([each for each in asked if each.limit >= 1], len(questions.frame.before)):
        walks = None
        if settings.constrained:
            walks = [
                ConstrainedPath(
                    settings.format, each.chunk, questions.labels, encode=questions.spell, end=questions.frame.end
                )
                for each in batch
            ]
        rows = Rows(questions.frame.before, [each.asked for each in batch])
        written = writer.write(rows, limits=[each.limit for each in batch], walks=walks)
        for question, reply in zip(batch, written, strict=True):
            found, whole = _understand(reply, question.chunk, questions, settings)
            before = answers[question.doc]
            answers[question.doc] = Generation(before.entities + found, before.failures + (not whole))
    return [each._replace(entities=sorted(each.entities)) for each in answers]


def _ask(docs: Sequence[Doc], questions: Questions, settings: GeneratorSettings) -> list[_Question]:
    asked = []
    for i, doc in enumerate(docs):
        for chunk in cut(doc, window=settings.window):
            chunk = questions.as_written(chunk)
            ids = questions.ask(chunk)
            asked.append(_Question(i, chunk, ids, min(questions.limit(chunk), questions.room(ids))))
    return asked


def _batches(questions: list[_Question], n_before: int) -> Iterator[list[_Question]]:
    """Questions of like length together, the longest first, as many as fit."""
    batch: list[_Question] = []
    longest = 0
    for question in sorted(questions, key=lambda each: -each.limit):
        longest = max(longest, n_before + len(question.asked) + question.limit)
        if batch and (len(batch) == MOST_ROWS or longest * (len(batch) + 1) > MOST_SUBWORDS):
            yield batch
            batch, longest = [], n_before + len(question.asked) + question.limit
        batch.append(question)
    if batch:
        yield batch


def _understand(
    reply: Generated, chunk: Chunk, questions: Questions, settings: GeneratorSettings
) -> tuple[list[Entity], bool]:
    found, whole = read(questions.decode(reply.ids), chunk, questions.labels, format=settings.format)
    entities = [
        Entity(chunk.tokens[each.start], chunk.tokens[each.end - 1] + 1, each.label, _score(each, reply, questions))
        for each in found
    ]
    return entities, whole and reply.ended


def _score(found: Found, reply: Generated, questions: Questions) -> float:
    def length(n: int) -> int:
        return len(questions.decode(reply.ids[:n]))

    counts = range(len(reply.ids) + 1)
    first = bisect_right(counts, found.began, key=length) - 1
    end = bisect_left(counts, found.ended, key=length)
    told = reply.probabilities[first : max(end, first + 1)]
    return sum(told) / len(told)
