"""From docs to prompts, and from generated answers to entities."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc

from ..head.inference import Entity
from .architectures import GeneratorModel, get_generator
from .chunks import Chunk, split_into_chunks
from .constrained_decoding import ConstrainedPath
from .formats import AnswerEntity, AnswerFormat, Node
from .modules import GeneratedAnswer, Generator, PrefixBatch
from .prompt import system_prompt
from .settings import GeneratorSettings

# the most prompts, and the most subwords with their answers, in a batch
MAX_ROWS = 32
MAX_SUBWORDS = 16_384


class PromptBuilder:
    """Makes the prompts that ask a generator for entities.

    Args:
        generator: The generator.
        settings: Its settings.
        labels: Descriptions, which may be empty, by label.

    Attributes:
        labels: The labels.
        frame: What stands around the text in all prompts.
    """

    def __init__(self, generator: Generator, settings: GeneratorSettings, labels: Mapping[str, str]) -> None:
        self.labels = tuple(labels)
        self._format = settings.format
        self._tokenizer = generator.shared.piece_tokenizer
        system = system_prompt(settings.system or settings.format.instruction, labels)
        self.frame = generator.shared.frame(system)
        self._n_positions = int(generator.shared.base.config.max_position_embeddings) - len(self.frame.prefix)
        self._longest_label = max(labels, key=lambda label: len(self.tokenize(label)), default="")

    def chunks(self, doc: Doc, *, window: int) -> list[Chunk]:
        """Split a doc into chunks of at most `window` words, which are spelled as the tokenizer gives them back."""
        return [self._tokenizer.normalize(chunk) for chunk in split_into_chunks(doc, window=window)]

    def prompt(self, chunk: Chunk) -> tuple[int, ...]:
        """Return the subwords of a prompt after the prefix of all: the text, up to where the answer begins."""
        return self._tokenizer.tokenize(chunk.text) + self.frame.suffix

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """Return the subwords of a piece of an answer."""
        return self._tokenizer.tokenize_piece(piece)

    def decode(self, ids: list[int]) -> str:
        """Return the text of an answer."""
        return self._tokenizer.decode(ids)

    def room(self, prompt: tuple[int, ...]) -> int:
        """Return how many subwords of an answer the base has positions for; less than 1 for none."""
        return self._n_positions - len(prompt)

    def max_length(self, chunk: Chunk) -> int:
        """Return the length of the longest answer, in which each word is an entity of its own, and its end."""
        longest = self._format.write(chunk, [(i, i + 1, self._longest_label) for i in range(len(chunk.words))])
        return sum(len(self.tokenize(piece)) for piece in longest) + 1


class ParsedAnswer(NamedTuple):
    """What an answer says.

    Attributes:
        entities: The entities that it names. If it is not complete, those that were complete before the first
            character that does not fit.
        complete: Whether it could be read to its end.
    """

    entities: list[AnswerEntity]
    complete: bool


def parse_answer(answer: str, chunk: Chunk, labels: Sequence[str], *, format: AnswerFormat) -> ParsedAnswer:
    """Follow an answer through the steps of its format, in one of the ways in which it goes farthest.

    Where two pieces begin alike, both are tried; none is tried twice from the same place, so that the time grows with
    the length of the answer.

    Args:
        answer: The answer. White space after it is passed over.
        chunk: The chunk that it is about.
        labels: The labels.
        format: The format.

    Returns:
        The entities, and whether the answer is complete.
    """
    start = Node(0, format.start)
    came_from: dict[Node, Node | None] = {start: None}
    waiting = [start]
    farthest = start
    while waiting:
        node = waiting.pop()
        if not answer[node.position :].strip() and format.is_end(node.state, chunk):
            return ParsedAnswer(format.read(_path(node, came_from), complete=True), True)
        if node.position > farthest.position:
            farthest = node
        following = []
        for piece, state in format.steps(node.state, chunk, labels):
            target = Node(node.position + len(piece), state)
            if answer.startswith(piece, node.position) and target not in came_from:
                came_from[target] = node
                following.append(target)
        waiting.extend(reversed(following))
    return ParsedAnswer(format.read(_path(farthest, came_from), complete=False), False)


def _path(node: Node, came_from: dict[Node, Node | None]) -> list[Node]:
    path = []
    at: Node | None = node
    while at is not None:
        path.append(at)
        at = came_from[at]
    return path[::-1]


class DocPrediction(NamedTuple):
    """What was found in a doc.

    Attributes:
        entities: The entities, in order.
        failures: How many answers about the doc, one for each chunk, could not be parsed to their end.
    """

    entities: list[Entity]
    failures: int


class _Request(NamedTuple):
    """A chunk with its prompt.

    Attributes:
        doc: The index of the doc.
        chunk: The chunk.
        prompt: The subwords of the prompt after the prefix of all.
        max_length: The most subwords of the answer.
    """

    doc: int
    chunk: Chunk
    prompt: tuple[int, ...]
    max_length: int


def predict(model: GeneratorModel, docs: Sequence[Doc], labels: Mapping[str, str]) -> list[DocPrediction]:
    """Find the entities of docs.

    The score of an entity is the mean probability that the base gave the subwords of the answer that mark it. Of an
    answer that cannot be parsed, what was complete before the first error is kept. A chunk that leaves no room for an
    answer counts as one whose answer cannot be parsed.

    Args:
        model: A `GenerativeTagger`.
        docs: The docs.
        labels: Descriptions, which may be empty, by label.

    Returns:
        A prediction for each doc, in order.
    """
    settings: GeneratorSettings = model.attrs["settings"]
    generator = get_generator(model)
    prompts = PromptBuilder(generator, settings, labels)
    predictions = [DocPrediction([], 0) for _ in docs]
    requests = []
    for i, doc in enumerate(docs):
        for chunk in prompts.chunks(doc, window=settings.window):
            prompt = prompts.prompt(chunk)
            max_length = min(prompts.max_length(chunk), prompts.room(prompt))
            if max_length < 1:
                predictions[i] = predictions[i]._replace(failures=predictions[i].failures + 1)
            else:
                requests.append(_Request(i, chunk, prompt, max_length))
    for batch in _batches(requests, len(prompts.frame.prefix)):
        paths = None
        if settings.constrained:
            paths = [
                ConstrainedPath(
                    settings.format, request.chunk, prompts.labels, tokenize=prompts.tokenize, end=prompts.frame.end
                )
                for request in batch
            ]
        answers = generator.generate(
            PrefixBatch(prompts.frame.prefix, [request.prompt for request in batch]),
            max_lengths=[request.max_length for request in batch],
            paths=paths,
        )
        for request, answer in zip(batch, answers, strict=True):
            text = prompts.decode(answer.ids)
            parsed = parse_answer(text, request.chunk, prompts.labels, format=settings.format)
            found = [_entity(entity, request.chunk, answer, prompts) for entity in parsed.entities]
            failed = not (parsed.complete and answer.complete)
            entities, failures = predictions[request.doc]
            predictions[request.doc] = DocPrediction(entities + found, failures + failed)
    return [each._replace(entities=sorted(each.entities)) for each in predictions]


def _batches(requests: list[_Request], n_prefix: int) -> Iterator[list[_Request]]:
    """Group requests of similar length, the longest first, as many as fit into a batch."""
    batch: list[_Request] = []
    longest = 0
    for request in sorted(requests, key=lambda each: -each.max_length):
        longest = max(longest, n_prefix + len(request.prompt) + request.max_length)
        if batch and (len(batch) == MAX_ROWS or longest * (len(batch) + 1) > MAX_SUBWORDS):
            yield batch
            batch, longest = [], n_prefix + len(request.prompt) + request.max_length
        batch.append(request)
    if batch:
        yield batch


def _entity(entity: AnswerEntity, chunk: Chunk, answer: GeneratedAnswer, prompts: PromptBuilder) -> Entity:
    """Return an entity of a chunk as one of the doc, with its score."""

    def n_characters(n_subwords: int) -> int:
        return len(prompts.decode(answer.ids[:n_subwords]))

    counts = range(len(answer.ids) + 1)
    first = bisect_right(counts, entity.char_start, key=n_characters) - 1
    end = bisect_left(counts, entity.char_end, key=n_characters)
    probabilities = answer.probabilities[first : max(end, first + 1)]
    score = sum(probabilities) / len(probabilities)
    return Entity(chunk.tokens[entity.start], chunk.tokens[entity.end - 1] + 1, entity.label, score)
