"""One HTML page that shows predictions beside gold. It needs no network, no script and no second file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from spacy import displacy
from spacy.tokens import Doc
from spacy.training import Example

from .colours import label_hues
from .compare import Comparison, Judged, Verdict, compare
from .style import CSS
from .table import HEADER, TOTAL, count_gold, percent, score_rows

# the policy makes the browser itself refuse scripts and requests
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<header>
<h1>Predictions beside gold</h1>
<p class="source">{title}</p>
</header>
<main>
<div class="summary">
<dl class="figures">{figures}</dl>
{table}
</div>
<p class="note">{note}</p>
{docs}
</main>
</body>
</html>
"""

_DOC = """<article class="{kind}">
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


def render_page(
    examples: Sequence[Example], scores: Mapping[str, Any], *, title: str, limit: int | None = None
) -> str:
    """The page, as HTML.

    examples: with the pipeline's predictions, all those that `scores` is about.
    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type).
    title: what was run on what.
    limit: number of docs shown, those with errors first; by default all.
    """
    compared = [(number, eg, compare(eg)) for number, eg in enumerate(examples, start=1)]
    wrong = [row for row in compared if row[2].has_errors]
    shown = [*wrong, *(row for row in compared if not row[2].has_errors)][:limit]
    gold_counts = count_gold(examples)
    labels = {ent.label_ for eg in examples for ent in eg.predicted.ents}
    hues = label_hues([*sorted(gold_counts), *sorted(labels)])
    sections = (("Docs with errors", shown[: len(wrong)]), ("Docs without errors", shown[len(wrong) :]))
    return _PAGE.format(
        title=escape(title),
        css=CSS,
        figures=_figures(scores, n_docs=len(compared), n_wrong=len(wrong)),
        table=_table(score_rows(scores, gold_counts), hues),
        note=_note(n_docs=len(compared), n_shown=len(shown)),
        docs="".join(
            f"<h2>{name}</h2>\n" + "".join(_doc(*row, hues=hues) for row in rows) for name, rows in sections if rows
        ),
    )


def _figures(scores: Mapping[str, Any], *, n_docs: int, n_wrong: int) -> str:
    figures = (
        ("F1, whole entities", percent(scores["ents_f"])),
        ("Precision", percent(scores["ents_p"])),
        ("Recall", percent(scores["ents_r"])),
        ("Docs with errors", f"{n_wrong:,} of {n_docs:,}"),
    )
    kinds = ("main", "", "", "")
    return "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
        for kind, (name, value) in zip(kinds, figures, strict=True)
    )


def _table(rows: Sequence[tuple[str, ...]], hues: Mapping[str, int]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADER)
    body = []
    for position, (name, *cells) in enumerate(rows):
        label = TOTAL if position == 0 else f'<mark style="--hue: {hues[name]}">{escape(name)}</mark>'
        body.append(f'<tr><th scope="row">{label}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _note(*, n_docs: int, n_shown: int) -> str:
    key = (
        '<mark class="wrong" style="--hue: 210">wrong</mark> is predicted but not in gold, '
        '<mark class="missed" style="--hue: 210">missed</mark> is in gold but not predicted. '
        "A small number is the model's own probability that the entity is right."
    )
    part = "" if n_shown == n_docs else f" {n_shown:,} of {n_docs:,} docs are shown; the scores are of all."
    return key + part


def _doc(number: int, example: Example, comparison: Comparison, *, hues: Mapping[str, int]) -> str:
    title = example.reference.user_data.get("title")
    return _DOC.format(
        kind="errors" if comparison.has_errors else "fine",
        name=f"Doc {number:,}" + (f": {escape(str(title))}" if title else ""),
        state=_state(comparison),
        predicted=_text(example.predicted, comparison.predicted, hues=hues),
        gold=_text(example.reference, comparison.gold, hues=hues),
    )


def _state(comparison: Comparison) -> str:
    counts = comparison.counts
    words: dict[Verdict, str] = {"wrong": "wrong", "missed": "missed", "unjudged": "not judged"}
    found = [f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]]
    return ", ".join(found) or ("all right" if counts else "no entities")


def _text(doc: Doc, entities: Sequence[Judged], *, hues: Mapping[str, int]) -> str:
    if not doc.text.strip():
        return '<div class="empty">no text</div>'
    parsed = {
        "text": doc.text,
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
