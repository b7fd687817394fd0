"""Pages made of little data, where all that can be hostile is."""

from __future__ import annotations

from collections.abc import Sequence

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate.corpus_stats import describe
from spacy_llama_ner.evaluate.learning_curves import Point, SplitScores
from spacy_llama_ner.evaluate.matching import Mention
from spacy_llama_ner.evaluate.scorer import seqeval_score
from spacy_llama_ner.report import render_corpus_report, render_pipeline_report
from tests.evaluate.sample import make_example

NLP = spacy.blank("en")
EVIL = "<script>alert('1')</script>"
QUOTE = 'x" onload="go()'
IDA, TOMAS, NOON = ("Ida Holm", "NAME"), ("Tomas", "NAME"), ("noon", "TIME")

RIGHT = make_example(NLP, "Call Ida Holm.", gold=[IDA], predicted=[IDA], scores=[0.875])
WRONG = make_example(
    NLP, "Wake Tomas at noon!", gold=[TOMAS, NOON], predicted=[TOMAS, ("noon", "DATE")], scores=[0.75, 0.5]
)
MISSED = make_example(NLP, "Is Tomas in?", gold=[TOMAS], predicted=[], scores=[])


def report_of(
    *examples: Example,
    title: str = "a model on a corpus",
    limit: int = 100,
    groups: Sequence[str] = ("llama_ner",),
    points: list[Point] | None = None,
    others: dict[str, list[Point]] | None = None,
    mentions: set[Mention] | None = None,
) -> str:
    return render_pipeline_report(
        examples,
        seqeval_score(examples),
        title=title,
        limit=limit,
        groups={f"component of {key}": key for key in groups},
        curves=None if points is None else {"unmasked": points, **(others or {})},
        mentions=mentions,
    )


def curve(
    *dev_f: float | None, label: str = "NAME", max_steps: int | None = None, patience: int | None = None
) -> list[Point]:
    """Evaluations every hundred steps; train is always five points of F1 ahead."""
    return [
        Point(
            step=100 * i,
            epoch=i // 2,
            seconds=60.0 * i,
            losses={label: 9.0 - i},
            train=None if f is None else SplitScores({"ents_f": f + 0.05, "loss": 1 - f}),
            dev=SplitScores() if f is None else SplitScores({"ents_f": f, "loss": 1.1 - f}, {label: {"f": f}}),
            max_steps=max_steps,
            patience=patience,
        )
        for i, f in enumerate(dev_f)
    ]


def evil_report() -> str:
    """A report in which every text that data or files bring wants to be markup."""
    text = f'Tell {EVIL} & "Bob" now'
    evil = make_example(
        NLP, text, gold=[(EVIL, EVIL)], predicted=[("Tell", QUOTE), (EVIL, "</mark>{label}")], scores=[0.5, 0.25]
    )
    evil.reference.user_data["title"] = EVIL
    return render_pipeline_report(
        [RIGHT, WRONG, evil],
        seqeval_score([RIGHT, WRONG, evil]),
        title=EVIL,
        limit=10,
        groups={EVIL: "llama_ner", QUOTE: "nothing"},
        curves={QUOTE: curve(0.5, 0.75, label=QUOTE) + curve(label=EVIL), EVIL: curve(0.25, 0.5)},
        mentions={(EVIL, EVIL)},
    )


def tagged(words: list[str], *, tag: str, ent: str, chunk: str) -> Doc:
    """A doc of one sentence whose first word is an entity and a chunk."""
    starts = [True] + [False] * (len(words) - 1)
    doc = Doc(NLP.vocab, words=words, tags=[tag] * len(words), sent_starts=starts)
    doc.set_ents([Span(doc, 0, 1, label=ent)])
    doc.spans["chunks"] = [Span(doc, 0, 1, label=chunk)]
    return doc


def evil_corpora() -> str:
    """The same of a corpus."""
    docs = [tagged([EVIL, "now"], tag=EVIL, ent=QUOTE, chunk=EVIL)]
    return render_corpus_report({EVIL: describe(docs), QUOTE: describe(docs)}, title=EVIL)
