"""One HTML page that shows predictions beside gold, doc by doc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spacy.training import Example

from .colours import label_hues
from .compare import compare
from .headline import render_headline
from .marked import KEY, render_pair
from .parts import whole
from .shell import render_shell
from .table import count_gold


def render_page(
    examples: Sequence[Example],
    scores: Mapping[str, Any],
    *,
    title: str,
    spans_keys: Iterable[str] = ("llama_ner",),
    limit: int | None = None,
) -> str:
    """The page, as HTML.

    examples: with the pipeline's predictions, all those that `scores` is about.
    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type).
    title: what was run on what.
    spans_keys: span groups that hold the scores of entities, as far as they are there.
    limit: number of docs shown, those with errors first; by default all.
    """
    keys = list(spans_keys)
    docs = [whole(eg, compare(eg, spans_keys=keys), number=number) for number, eg in enumerate(examples, start=1)]
    wrong = [doc for doc in docs if doc.comparison.has_errors]
    shown = [*wrong, *(doc for doc in docs if not doc.comparison.has_errors)][:limit]
    gold = count_gold(examples)
    hues = label_hues([*sorted(gold), *sorted({ent.label_ for eg in examples for ent in eg.predicted.ents})])
    sections = (("Docs with errors", shown[: len(wrong)]), ("Docs without errors", shown[len(wrong) :]))
    body = [
        render_headline(scores, gold, hues=hues, n_docs=len(docs), n_wrong=len(wrong)),
        f'<p class="note">{_note(n_docs=len(docs), n_shown=len(shown))}</p>',
        *(
            f"<h2>{name}</h2>\n" + "".join(render_pair(doc, hues=hues) for doc in part)
            for name, part in sections
            if part
        ),
    ]
    return render_shell(heading="Predictions beside gold", title=title, body="\n".join(body))


def _note(*, n_docs: int, n_shown: int) -> str:
    part = "" if n_shown == n_docs else f" {n_shown:,} of {n_docs:,} docs are shown; the scores are of all."
    return KEY + part
