"""The templates of the pages, and what several pages show: scores in large, labels in colours, texts with entities.

A page is a module that computes what is to be shown and renders its template in `templates/`. Markup is in the
templates alone, which escape all that they are given; SVG comes from `charts`. A page needs no network, no script and
no second file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from spacy.training import Example

from ..evaluate.matching import Comparison, Judged, Verdict
from ..evaluate.predict import HEADER, count_gold, percent, percent_interval, score_rows, signed_percent
from ..evaluate.scorer import ENTS_F, ENTS_P, ENTS_R, ENTS_TOKEN_ACC, Scores
from .charts import legend_key, share_bar

# degrees on the colour circle; red is left out, since it marks errors
_HUES = (30, 55, 85, 120, 150, 175, 200, 225, 250, 275, 300, 325)
# hues this many degrees apart or fewer are neighbours; those before and after red are further apart
_NEIGHBOURS = 35
# no divisor of the number of hues, so that the search visits each of them, and far from where it began
_STEP = 5
# with it, the labels of the requests data get hues far from each other, and those of CoNLL-2003 too
_SALT = "qd"
_EXPLANATIONS: dict[Verdict, str] = {
    "right": "right",
    "wrong": "wrong: gold has no such entity",
    "missed": "missed: not predicted",
    "unjudged": "not judged: the text has no gold annotation here",
}
_STATES: dict[Verdict, str] = {"wrong": "wrong", "missed": "missed", "unjudged": "not judged"}


def render(template: str, *, heading: str, title: str, **context: Any) -> str:
    """Render a whole page.

    Args:
        template: Name of the file in `templates/`, without `.html.jinja`.
        heading: What kind of page this is.
        title: What the page is about.
        **context: Values by the names that the template uses.

    Returns:
        HTML.
    """
    page = _environment.get_template(f"{template}.html.jinja").render(heading=heading, title=title, **context)
    # the template engine leaves out the last line end of a file
    return f"{page}\n"


@dataclass(frozen=True)
class Summary:
    """Scores of a pipeline, for the macro `headline`.

    Attributes:
        figures: Names and values of the figures in large, the main one first.
        header: Header of the table.
        rows: Cells by row: all entities, then each label.
    """

    figures: Sequence[tuple[str, str]]
    header: Sequence[str]
    rows: Sequence[tuple[str, ...]]


def summarize(scores: Scores, gold: Mapping[str, int], *, n_docs: int, n_wrong: int) -> Summary:
    """Choose what the headline of a page says.

    Args:
        scores: What `predict_and_score` returns.
        gold: Number of gold entities by label.
        n_docs: Number of docs.
        n_wrong: Number of docs with errors.
    """
    figures = (
        ("F1, whole entities", percent(scores[ENTS_F])),
        ("Precision", percent(scores[ENTS_P])),
        ("Recall", percent(scores[ENTS_R])),
        ("Words with the right tag", percent(scores.get(ENTS_TOKEN_ACC))),
        ("Docs with errors", f"{n_wrong:,} of {n_docs:,}"),
    )
    return Summary(figures, HEADER, score_rows(scores, gold))


def hues_of_examples(examples: Sequence[Example]) -> dict[str, int]:
    """Return a hue for each label of gold and of predicted entities, gold first."""
    predicted = {ent.label_ for eg in examples for ent in eg.predicted.ents}
    return label_hues([*sorted(count_gold(examples)), *sorted(predicted)])


def label_hues(labels: Iterable[str]) -> dict[str, int]:
    """Return a hue in degrees for each label, the same on every run and every page.

    The hue depends on the label alone, unless two labels ask for one hue or for neighbours. Then the later one takes
    the next that is free, if possible one whose neighbours are free too. From the thirteenth label on, hues repeat.
    """
    hues: dict[str, int] = {}
    for label in dict.fromkeys(labels):
        start = crc32(f"{_SALT}{label}".encode())
        choices = [_HUES[(start + _STEP * i) % len(_HUES)] for i in range(len(_HUES))]
        free = [hue for hue in choices if hue not in hues.values()]
        apart = [hue for hue in free if all(abs(hue - other) > _NEIGHBOURS for other in hues.values())]
        hues[label] = [*apart, *free, *choices][0]
    return hues


def split_at_entities(text: str, judged: Sequence[Judged]) -> list[tuple[str, Judged | None]]:
    """Cut a text into the texts of its entities, which do not overlap, and what is between them, with None."""
    pieces: list[tuple[str, Judged | None]] = []
    end = 0
    for ent in judged:
        pieces += [(text[end : ent.start], None), (text[ent.start : ent.end], ent)]
        end = ent.end
    return [*pieces, (text[end:], None)]


def describe_state(comparison: Comparison) -> str:
    """Say how many entities are wrong, missed and not judged."""
    counts = comparison.counts
    found = [f"{counts[verdict]} {name}" for verdict, name in _STATES.items() if counts[verdict]]
    return ", ".join(found) or ("all right" if counts else "no entities")


def explain(ent: Judged) -> str:
    """Say what the mark of an entity means, and its score in full."""
    told = _EXPLANATIONS[ent.verdict]
    return told if ent.score is None else f"{told}; probability {ent.score:.3f}"


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "explanation": explain,
        "number": lambda value: f"{value:,.10g}",
        "percent": percent,
        "percent_interval": percent_interval,
        "pieces": split_at_entities,
        "signed_percent": signed_percent,
        "state": describe_state,
        "thousands": lambda value: f"{value:,}",
    }
    environment.globals |= {"legend_key": legend_key, "share_bar": share_bar}
    return environment


_environment = _make_environment()
