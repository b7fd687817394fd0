"""Questions about texts, in subwords."""

from __future__ import annotations

from collections.abc import Mapping

from .chat import system_prompt
from .chunks import Chunk
from .module import Writer
from .settings import WriterSettings


class Questions:
    """How a writer is asked for entities with certain labels.

    labels: descriptions, which may be empty, by label.
    """

    def __init__(self, writer: Writer, settings: WriterSettings, labels: Mapping[str, str]) -> None:
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
