"""The frame of a page that needs no network, no script and no second file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from zlib import crc32

from spacy import displacy
from spacy.tokens import Doc

from ..evaluate.matching import Comparison, Excerpt, Judged, Verdict
from ..evaluate.predict import HEADER, TOTAL, percent, score_rows

# hsl() with a hue per label: one rule each for light and dark serves any number of labels
CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #fff; --ink: #24292f; --muted: #656d76; --line: #e3e1dc; --bad: #c2372e;
  --chip-s: 75%; --chip-l: 90%; --tag-s: 55%; --tag-l: 27%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --card: #1e2125; --ink: #dfe2e6; --muted: #98a0a9; --line: #33373d; --bad: #f28379;
    --chip-s: 32%; --chip-l: 26%; --tag-s: 65%; --tag-l: 80%;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 1.6rem; font-weight: 650; margin: 0; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 3rem 0 1rem; }
h3 { font-size: .85rem; font-weight: 600; margin: 0; color: var(--muted); }
h4 { font-size: .72rem; font-weight: 600; margin: 0; color: var(--muted); letter-spacing: .04em; }
.source { color: var(--muted); margin: .25rem 0 0; overflow-wrap: anywhere; }
.summary { display: flex; flex-wrap: wrap; gap: 2rem 4rem; align-items: flex-start; margin: 2rem 0 1.5rem; }
.figures { display: grid; grid-template-columns: repeat(3, auto); gap: 1rem 2.5rem; margin: 0; }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { font-size: .8rem; color: var(--muted); }
.figures dd { font-size: 1.4rem; line-height: 1.2; margin: 0; font-variant-numeric: tabular-nums; }
.figures .main { grid-column: 1 / -1; }
.figures .main dd { font-size: 3rem; font-weight: 650; line-height: 1; letter-spacing: -.02em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 0 .3rem 1.75rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; padding-left: 0; font-weight: 400; }
thead th { font-size: .8rem; font-weight: 400; color: var(--muted); }
.note { color: var(--muted); font-size: .875rem; max-width: 48rem; margin: 0; }
article {
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--line);
  border-radius: 8px; padding: .9rem 1.2rem 1rem; margin: 0 0 .9rem;
}
article.errors { border-left-color: var(--bad); }
article header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; justify-content: space-between; }
.state { font-size: .85rem; color: var(--muted); }
.errors .state { color: var(--bad); font-weight: 600; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem 2rem; margin-top: .6rem; }
@media (max-width: 46rem) { .pair { grid-template-columns: 1fr; } }
.pair section { min-width: 0; }
.entities { line-height: 2 !important; white-space: pre-wrap; overflow-wrap: anywhere; }
mark {
  background: hsl(var(--hue) var(--chip-s) var(--chip-l)); color: inherit; padding: .2em .4em;
  border-radius: 5px; outline-offset: -2px;
  -webkit-box-decoration-break: clone; box-decoration-break: clone;
}
mark.wrong { outline: 2px solid var(--bad); }
mark.missed { outline: 2px dashed var(--bad); }
mark.unjudged { outline: 2px dotted var(--muted); }
.note mark { color: var(--ink); }
.label {
  font-size: .68em; font-weight: 700; letter-spacing: .02em; margin-inline-start: .5em; white-space: nowrap;
  color: hsl(var(--hue) var(--tag-s) var(--tag-l));
}
.label small {
  font-size: 1em; font-weight: 400; margin-inline-start: .4em; font-variant-numeric: tabular-nums;
}
.empty { color: var(--muted); }
@media print { article { break-inside: avoid; } }
"""


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
<h1>{heading}</h1>
<p class="source">{title}</p>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def render_shell(*, heading: str, title: str, body: str, css: str = "") -> str:
    """A whole page.

    heading: what kind of page this is.
    title: what it is about; both are escaped here.
    body: HTML.
    css: rules besides those that all pages share.
    """
    return _PAGE.format(heading=escape(heading), title=escape(title), body=body, css=CSS + css)


# degrees on the colour circle; red is left out, since it marks errors
_HUES = (30, 55, 85, 120, 150, 175, 200, 225, 250, 275, 300, 325)
# degrees; those before and after red are further apart
_CLOSE = 35
# no divisor of their number, so that the search visits every hue, and far from where it began
_STEP = 5
# with it, the labels of the requests data get hues far from each other, and those of CoNLL-2003 too
_SALT = "qd"


def label_hues(labels: Iterable[str]) -> dict[str, int]:
    """A hue for each label, in degrees, the same on every run and every page.

    It depends on the label alone, but where two labels ask for one hue, or for two that lie side by side: there the
    later takes the next that is free, if it can one whose neighbours are free too. From the thirteenth label on, hues
    come back.
    """
    hues: dict[str, int] = {}
    for label in dict.fromkeys(labels):
        wish = crc32(f"{_SALT}{label}".encode())
        choices = [_HUES[(wish + _STEP * i) % len(_HUES)] for i in range(len(_HUES))]
        free = [hue for hue in choices if hue not in hues.values()]
        apart = [hue for hue in free if all(abs(hue - other) > _CLOSE for other in hues.values())]
        hues[label] = [*apart, *free, *choices][0]
    return hues


def label_mark(label: str, hues: Mapping[str, int]) -> str:
    """A label in its colour, as HTML."""
    return f'<mark style="--hue: {hues[label]}">{escape(label)}</mark>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "plain") -> str:
    """A table whose rows begin with a heading. All cells are HTML, so what is in them is escaped by the caller.

    kind: CSS class.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def bar(*parts: tuple[float, str]) -> str:
    """A horizontal bar of one or more parts, each a share of the full length (0 to 1) and a class that colours it."""
    drawn, at = [], 0.0
    for share, kind in parts:
        drawn.append(f'<rect class="{kind}" x="{100 * at:.2f}%" width="{100 * share:.2f}%" height="100%"/>')
        at += share
    return f'<svg class="bar" aria-hidden="true">{"".join(drawn)}</svg>'


def render_headline(
    scores: Mapping[str, Any], gold: Mapping[str, int], *, hues: Mapping[str, int], n_docs: int, n_wrong: int
) -> str:
    """Scores as figures and as a table, as HTML.

    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type, ents_token_acc).
    gold: number of gold entities by label.
    hues: colour of each label.
    n_docs, n_wrong: number of docs, and of those with errors.
    """
    figures = (
        ("F1, whole entities", percent(scores["ents_f"])),
        ("Precision", percent(scores["ents_p"])),
        ("Recall", percent(scores["ents_r"])),
        ("Words with the right tag", percent(scores.get("ents_token_acc"))),
        ("Docs with errors", f"{n_wrong:,} of {n_docs:,}"),
    )
    shown = "".join(
        f'<div class="{"" if place else "main"}"><dt>{name}</dt><dd>{value}</dd></div>'
        for place, (name, value) in enumerate(figures)
    )
    rows = [
        (TOTAL if position == 0 else label_mark(name, hues), *cells)
        for position, (name, *cells) in enumerate(score_rows(scores, gold))
    ]
    return f'<div class="summary">\n<dl class="figures">{shown}</dl>\n{table(HEADER, rows)}\n</div>'


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


def render_pair(part: Excerpt, *, hues: Mapping[str, int]) -> str:
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


@dataclass(frozen=True)
class Section:
    """key: what links point to; title: plain text without special characters; body: HTML."""

    key: str
    title: str
    body: str


def join_sections(sections: Sequence[Section]) -> str:
    """Links, then all sections, as HTML."""
    links = "".join(f'<a href="#{each.key}">{each.title}</a>' for each in sections)
    parts = [f'<section id="{each.key}">\n<h2>{each.title}</h2>\n{each.body}\n</section>' for each in sections]
    return "\n".join([f'<nav aria-label="Sections">{links}</nav>', *parts])


def note(text: str) -> str:
    """An explanation, given as HTML."""
    return f'<p class="note">{text}</p>'


REPORT_CSS = """
:root {
  --train: #b3762b; --dev: #2f6fb0; --one: #7d5ba6; --two: #2c8a7b; --fill: #6f9bc6; --line-s: 60%; --line-l: 42%;
  --good: 211 60% 50%; --fault: 6 62% 50%;
  --k-boundary: #d9a441; --k-type: #a06cb8; --k-both: #7a5a48; --k-missed: #c2372e;
  --k-spurious: #e58f7b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --train: #dca766; --dev: #7fb3e6; --one: #b89bdc; --two: #6cc3b4; --fill: #4f7ba6; --line-s: 60%; --line-l: 68%;
    --k-boundary: #d6a94f; --k-type: #b98acd; --k-both: #a58673; --k-missed: #ea6a5f;
    --k-spurious: #f2ab9b;
  }
}
html { scroll-behavior: smooth; }
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; margin: 1.5rem 0 0; font-size: .875rem; }
nav a { color: var(--dev); text-decoration: none; border-bottom: 1px solid var(--line); }
nav a:hover { border-bottom-color: currentColor; }
main > section { scroll-margin-top: 1rem; }
main > section > .note { margin: 0 0 1rem; }
main > section > div + .note { margin-top: 1rem; }
main > section > h3 { margin: 1.5rem 0 .5rem; }
.wide {
  overflow-x: auto; max-width: 100%;
  background:
    linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 2.5rem 100% no-repeat local,
    linear-gradient(270deg, var(--paper) 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
    linear-gradient(90deg, var(--line), transparent) 0 0 / .75rem 100% no-repeat scroll,
    linear-gradient(270deg, var(--line), transparent) 100% 0 / .75rem 100% no-repeat scroll;
}
td, tbody th { white-space: nowrap; }
.none { color: var(--muted); opacity: .6; }
.charts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1.75rem 2.25rem;
}
figure { margin: 0; min-width: 0; max-width: 30rem; }
figcaption { font-size: .875rem; font-weight: 600; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font-size: 11px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.chart text.x { text-anchor: middle; }
.chart text.y { text-anchor: end; }
.chart text.count { font-size: 10px; }
.grid { stroke: var(--line); fill: none; }
.line {
  stroke: var(--c); fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round;
  stroke-dasharray: var(--dash);
}
.hint { fill: transparent; }
.hint:hover { fill: var(--c); fill-opacity: .35; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.ideal { stroke: var(--muted); fill: none; stroke-dasharray: 4 4; }
.dot { fill: var(--ink); }
.fill { fill: var(--fill); }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .2rem 0 0; padding: 0; font-size: .8rem; }
.keys li { display: flex; align-items: center; gap: .4rem; }
.keys svg { width: 26px; height: 12px; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-inline-end: .4em; }
.bar { display: inline-block; width: 9rem; height: .7rem; vertical-align: baseline; border-radius: 2px; }
.counts td { min-width: 11rem; }
.counts td span { display: flex; gap: .6rem; align-items: center; justify-content: space-between; }
.counts .bar { width: 5.5rem; }
.matrix td { text-align: center; padding: 0; min-width: 4.5rem; }
.matrix tbody th { padding-right: .9rem; }
.matrix td span { display: block; padding: .35rem .9rem; }
.matrix th:not(:first-child) { text-align: center; padding: .3rem .6rem; }
.matrix .right { background: hsl(var(--good) / calc(var(--share) * .4)); }
.matrix .wrong { background: hsl(var(--fault) / calc(var(--share) * .55)); }
.kinds thead th { vertical-align: bottom; }
.k-boundary { fill: var(--k-boundary); background: var(--k-boundary); }
.k-type { fill: var(--k-type); background: var(--k-type); }
.k-both { fill: var(--k-both); background: var(--k-both); }
.k-missed { fill: var(--k-missed); background: var(--k-missed); }
.k-spurious { fill: var(--k-spurious); background: var(--k-spurious); }
.reliability {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.5rem 3rem;
}
.reliability .figures { grid-column: 1 / -1; }
.stacked .pair { grid-template-columns: 1fr; }
@media (max-width: 46rem) {
  th, td { padding-left: .7rem; }
  .matrix td { min-width: 3rem; }
  .matrix td span { padding: .35rem .4rem; }
  .counts td { min-width: 0; }
  .counts .bar { width: 1.6rem; }
  .kinds .bar { width: 6rem; }
}
"""
