"""The page about a trained pipeline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spacy.training import Example

from ..colours import label_hues
from ..compare import compare
from ..groups import Mention
from ..headline import render_headline
from ..pairs import pair_all
from ..points import Point
from ..shell import render_shell
from ..table import count_gold
from .curves import curves_section
from .errors import confusion_section, kinds_section
from .grouped import length_section, seen_section
from .reliability import reliability_section
from .sections import Section, join_sections, note
from .sentences import sentences_section
from .style import CSS


def render_report(
    examples: Sequence[Example],
    scores: Mapping[str, Any],
    *,
    title: str,
    limit: int,
    groups: Mapping[str, str],
    curves: Mapping[str, Sequence[Point]] | None = None,
    mentions: Collection[Mention] | None = None,
) -> str:
    """The page, as HTML.

    examples: with the pipeline's predictions, all those that `scores` is about.
    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type).
    title: what was run on what.
    limit: number of sentences shown, the worst first.
    groups: span group with the scores by name of the component (`predict.score_groups`).
    curves: learning curves by the names of their trainings, the pipeline's own first; without any there is no such
        section.
    mentions: `mention` of each entity of the training data; without them nothing is said of seen entities.
    """
    judged = [(eg, compare(eg, spans_keys=groups.values())) for eg in examples]
    pairs = pair_all(comparison for _, comparison in judged)
    gold = count_gold(examples)
    hues = label_hues([*sorted(gold), *sorted({ent.label_ for eg in examples for ent in eg.predicted.ents})])
    n_wrong = sum(comparison.has_errors for _, comparison in judged)
    headline = render_headline(scores, gold, hues=hues, n_docs=len(judged), n_wrong=n_wrong)
    told = (
        "An entity is right if its first word, its last word and its label are gold. The last "
        "column is the support, the number of gold entities."
    )
    sections = [Section("scores", "Scores by type", headline + note(told))]
    if curves:
        sections.append(curves_section(curves, hues=hues))
    sections += [confusion_section(pairs, hues=hues), kinds_section(pairs, hues=hues), length_section(judged)]
    if mentions is not None:
        sections.append(seen_section(judged, mentions))
    sections += [reliability_section(examples, groups), sentences_section(judged, limit=limit, hues=hues)]
    return render_shell(heading="Report of a pipeline", title=title, body=join_sections(sections), css=CSS)
