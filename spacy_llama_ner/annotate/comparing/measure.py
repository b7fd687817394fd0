"""Asking about a gold sample, and scoring what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from ...data.copies import unlabelled
from ...evaluate.difference import tally_sentences
from ...evaluate.groups import Tally
from ...evaluate.interval import f1_interval
from ...evaluate.scorer import seqeval_score
from ..jobs import Outcome
from ..labeller import Labelled, Labeller
from ..run import Run
from .result import Result, Variant


def measure(variant: Variant, gold: Sequence[Doc], *, labeller: Labeller, run: Run) -> Result:
    """Ask about each text of `gold`, which keeps its entities, and score the replies.

    Words are scored as they are in `gold`. A text without a usable reply counts as one without entities. The cost is
    by the prices of the run.

    Raises: as `Run.answers`.
    """
    outcomes = list(run.answers(labeller.job(_bare(doc), at) for at, doc in enumerate(gold, start=1)))
    examples = list(_examples(gold, outcomes))
    scores = seqeval_score(examples)
    prices = run.progress.prices
    low, high = f1_interval([part.get(None, Tally()) for example in examples for part in tally_sentences(example)])
    replies = [reply for outcome in outcomes for reply in outcome.replies]
    n_in, n_out = sum(reply.input_tokens for reply in replies), sum(reply.output_tokens for reply in replies)
    return Result(
        variant=variant,
        p=scores["ents_p"],
        r=scores["ents_r"],
        f=scores["ents_f"],
        low=low,
        high=high,
        per_type=scores["ents_per_type"],
        texts=len(gold),
        lost=sum(outcome.value is None for outcome in outcomes),
        replies=len(replies),
        rejected=dict(Counter(reject.reason for outcome in outcomes for reject in outcome.rejects).most_common()),
        seconds=round(sum(reply.seconds for reply in replies), 3),
        input_tokens=n_in,
        output_tokens=n_out,
        cost=None if prices is None else prices.cost(n_in, n_out),
        unanswered=dict(Counter(str(each.failure) for each in outcomes if each.failure and not each.replies)),
    )


def _examples(gold: Iterable[Doc], outcomes: Iterable[Outcome[Labelled]]) -> Iterator[Example]:
    for doc, outcome in zip(gold, outcomes, strict=True):
        yield Example(_bare(doc) if outcome.value is None else outcome.value.doc, doc)


def _bare(doc: Doc) -> Doc:
    bare = unlabelled(doc)
    bare.ents = []
    return bare
