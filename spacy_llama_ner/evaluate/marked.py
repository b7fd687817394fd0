"""Texts with their entities marked, predicted beside gold, by displaCy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from spacy import displacy
from spacy.tokens import Doc

from .compare import Comparison, Judged, Verdict
from .parts import Part

KEY = (
    '<mark class="wrong" style="--hue: 210">wrong</mark> is predicted but not in gold, '
    '<mark class="missed" style="--hue: 210">missed</mark> is in gold but not predicted. '
    "A small number is the model's own probability that the entity is right."
)

_PAIR = """<article class="{kind}">
<header><h3>{name}</h3><span class="state">{state}</span></header>
<div class="pair">
<section><h4>Predicted</h4>{predicted}</section>
<section><h4>Gold</h4>{gold}</section>
</div>
</article>
"""

# on one line, since white space is kept inside texts
_ENTITY = (
    '<mark class="entity {verdict}" style="--hue: {hue}" title="{hint}">{text}'
    '<span class="label">{label}{score}</span></mark>'
)

_HINTS = {
    "right": "right",
    "wrong": "wrong: gold has no such entity",
    "missed": "missed: not predicted",
    "unjudged": "not judged: the text has no gold annotation here",
}


def render_pair(part: Part, *, hues: Mapping[str, int]) -> str:
    """A doc or sentence, as HTML, in the colours `hues` of its labels."""
    title = part.doc.user_data.get("title")
    place = f"Doc {part.number:,}" + ("" if part.at is None else f", sentence {part.at:,}")
    comparison = part.comparison
    return _PAIR.format(
        kind="errors" if comparison.has_errors else "fine",
        name=place + (f": {escape(str(title))}" if title else ""),
        state=_state(comparison),
        predicted=_text(part.predicted, comparison.predicted, doc=part.doc, hues=hues),
        gold=_text(part.gold, comparison.gold, doc=part.doc, hues=hues),
    )


def _state(comparison: Comparison) -> str:
    counts = comparison.counts
    words: dict[Verdict, str] = {"wrong": "wrong", "missed": "missed", "unjudged": "not judged"}
    found = [f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]]
    return ", ".join(found) or ("all right" if counts else "no entities")


def _text(text: str, entities: Sequence[Judged], *, doc: Doc, hues: Mapping[str, int]) -> str:
    if not text.strip():
        return '<div class="empty">no text</div>'
    parsed = {
        "text": text,
        "ents": [_displacy_entity(ent, hue=hues[ent.label]) for ent in entities],
        "settings": displacy.get_doc_settings(doc),
    }
    options = {"template": _ENTITY}
    return displacy.render(parsed, style="ent", page=False, jupyter=False, manual=True, options=options)


def _displacy_entity(ent: Judged, *, hue: int) -> dict[str, Any]:
    hint = _HINTS[ent.verdict] if ent.score is None else f"{_HINTS[ent.verdict]}; probability {ent.score:.3f}"
    score = "" if ent.score is None else f"<small>{ent.score:.2f}</small>"
    return {
        "start": ent.start,
        "end": ent.end,
        # displaCy escapes texts, but neither labels nor what its template takes besides
        "label": escape(ent.label),
        "params": {"hue": hue, "verdict": ent.verdict, "hint": hint, "score": score},
    }
