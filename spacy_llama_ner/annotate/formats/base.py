"""What a format of replies is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from spacy.tokens import Doc

from ...data.records import Piece
from ..chat import Reject
from .loose_json import read_json

# notes a problem, and what exactly was put right
Note = Callable[[str, str], None]

CUT_OFF = "cut off"
OTHER_WORDS = "other words than the text"
BAD_SHAPE = "JSON of another shape"


class Format(Protocol):
    """A way to write down the entities of a text, which models are asked for."""

    name: str

    def show(self, doc: Doc) -> str:
        """The text as the model gets to see it."""

    def render(self, doc: Doc) -> str:
        """The reply that would be right for `doc`, which has its entities: for examples."""

    def schema(self, labels: Collection[str]) -> Mapping[str, Any] | None:
        """JSON schema of a reply; None where it is no JSON."""

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], note: Note) -> list[Piece]:
        """The entities that a reply names, in the order of the text, as pieces still to be put into `doc`.

        Raises: Reject where the reply is in another format, or about another text.
        """


def read_whole_json(reply: str) -> object:
    """The JSON of a reply that must be complete. Raises: Reject."""
    found = read_json(reply)
    if not found.is_whole:
        raise Reject(CUT_OFF, repr(reply[-80:]))
    return found.value


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has these properties, all of them, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
