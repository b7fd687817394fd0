"""Reading a reply in some format, for the tests of the formats."""

from __future__ import annotations

import spacy
from spacy.tokens import Doc

from spacy_llama_ner.llm.backends.base import Reply
from spacy_llama_ner.llm.formats import PROMPT_FORMATS
from spacy_llama_ner.llm.labelling import Labeller
from spacy_llama_ner.llm.prompts import LabellingPrompt
from tests.evaluate.sample import gold_doc

LABELS = {"NAME": "", "DATE": "", "TIME": ""}
TEXT = "Call Ida Holm on Friday, or Ida on 5 May."
ENTS = [("Ida Holm", "NAME"), ("Friday", "DATE"), ("5 May", "DATE")]

NLP = spacy.blank("en")


def gold(text: str = TEXT, ents: list[tuple[str, str]] = ENTS) -> Doc:
    """A doc with its entities."""
    return gold_doc(NLP, text, ents)


def read(format: str, reply: str, text: str = TEXT, *, cut: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    """Entities and problems of a reply about `text`. Raises: Reject."""
    labeller = Labeller(LabellingPrompt(format), LABELS)
    labelled = labeller.parse(Reply(reply, 1, 1, 0.1, cut=cut), NLP.make_doc(text))
    ents = [(ent.text, ent.label_) for ent in labelled.doc.ents]
    return ents, [f"{problem.problem} ({problem.action})" for problem in labelled.problems]


def render(format: str, doc: Doc) -> str:
    """The right reply."""
    return PROMPT_FORMATS[format].format_reply(doc)
