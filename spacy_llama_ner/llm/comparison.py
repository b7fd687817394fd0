"""What is asked of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spacy.tokens import Doc
from spacy.training import Example

from ..data.docs import unlabelled
from ..evaluate.matching import Tally
from ..evaluate.predict import percent
from ..evaluate.scorer import seqeval_score
from ..evaluate.significance import f1_interval, tally_sentences
from ..training.corpus import draw
from .examples import choose_examples, with_labels
from .labelling import ExamplesFor, Labelled, Labeller
from .pricing import Expert, PriceList
from .prompts import Prompt
from .runner import Outcome, Runner

NONE = "none"


@dataclass(frozen=True)
class Variant:
    """One way to get labels.

    prompt: name or path. examples: how they are chosen, "none" without any. model: as the log names it.
    """

    prompt: str
    examples: str
    model: str


@dataclass(frozen=True)
class VariantResult:
    """What came out of asking about all texts of a sample.

    p, r, f: strict scores of whole entities, 0 to 1. low, high: the 95% interval of `f`.
    per_type: p, r and f by label.
    texts, lost: all texts, and those without a usable reply, which count as texts without entities.
    unanswered: of the lost ones, those without any reply, by the reason.
    replies, rejected: all replies, and by reason those that could not be used.
    seconds: of all requests that brought a reply; requests under way at the same time all count.
    cost: of all tokens; None without prices.
    """

    variant: Variant
    p: float
    r: float
    f: float
    low: float
    high: float
    per_type: Mapping[str, Mapping[str, float]]
    texts: int
    lost: int
    replies: int
    rejected: Mapping[str, int]
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: float | None
    unanswered: Mapping[str, int] = field(default_factory=dict)

    @property
    def unusable(self) -> float | None:
        """Share of the replies that could not be used; None where there are none."""
        return sum(self.rejected.values()) / self.replies if self.replies else None

    @property
    def tokens(self) -> int:
        """Of input and output."""
        return self.input_tokens + self.output_tokens

    def to_dict(self) -> dict[str, Any]:
        """The same as plain types; the parse-failure rate is `unusable`."""
        fields = asdict(self)
        return {**fields.pop("variant"), **fields, "unusable": self.unusable}


def short_names(variants: Sequence[Variant]) -> list[str]:
    """A name for each, of the parts in which they differ."""
    rows = [(each.prompt, "zero-shot" if each.examples == NONE else each.examples, each.model) for each in variants]
    differ = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    if not any(differ):
        return [row[0] for row in rows]
    return [", ".join(part for part, tells in zip(row, differ, strict=True) if tells) for row in rows]


def measure(variant: Variant, gold: Sequence[Doc], *, labeller: Labeller, run: Runner) -> VariantResult:
    """Ask about each text of `gold`, which keeps its entities, and score the replies.

    Words are scored as they are in `gold`. A text without a usable reply counts as one without entities. The cost is
    by the prices of the run.

    Raises: as `Runner.answers`.
    """
    outcomes = list(run.answers(labeller.job(_bare(doc), at) for at, doc in enumerate(gold, start=1)))
    examples = list(_examples(gold, outcomes))
    scores = seqeval_score(examples)
    prices = run.progress.prices
    low, high = f1_interval([part.get(None, Tally()) for example in examples for part in tally_sentences(example)])
    replies = [reply for outcome in outcomes for reply in outcome.replies]
    n_in, n_out = sum(reply.input_tokens for reply in replies), sum(reply.output_tokens for reply in replies)
    return VariantResult(
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


@dataclass(frozen=True)
class ComparisonPlan:
    """Prompts and choices of examples, each of which is tried on the same sample.

    sample: gold docs, with entities of `labels` alone.
    labels: descriptions, which may be empty, by label.
    examples: by how they are chosen; None stands for zero-shot.
    max_tokens: see `Labeller`.
    """

    sample: Sequence[Doc]
    labels: Mapping[str, str]
    prompts: Sequence[Prompt]
    examples: Mapping[str, ExamplesFor | None]
    max_tokens: int | None

    @property
    def questions(self) -> int:
        """How many each model is asked."""
        return len(self.prompts) * len(self.examples) * len(self.sample)

    @property
    def words(self) -> int:
        """Of the sample."""
        return sum(len(doc) for doc in self.sample)

    def results(self, model: str, run: Runner) -> Iterator[VariantResult]:
        """One for each prompt and choice of examples. model: its name in the log. Raises: as `Runner.answers`."""
        for prompt in self.prompts:
            for by, examples_for in self.examples.items():
                labeller = Labeller(prompt, self.labels, examples_for=examples_for, max_tokens=self.max_tokens)
                yield measure(Variant(prompt.name, by, model), self.sample, labeller=labeller, run=run)


def make_plan(
    gold: Sequence[Doc],
    *,
    labels: Mapping[str, str],
    prompts: Collection[str],
    choices: Collection[str],
    pool: Sequence[Doc],
    shots: int,
    limit: int,
    max_tokens: int | None = None,
) -> ComparisonPlan:
    """Read the prompts, draw a stratified sample of at most `limit` docs, and find examples for it in `pool`.

    choices: as for `choose_examples`, and "none".
    Raises: ValueError where a prompt or a choice is not there, the sample has no entity, or the pool none.
    """
    loaded = [Prompt(prompt) for prompt in dict.fromkeys(prompts)]
    sample = take_sample([with_labels(doc, labels) for doc in gold], limit)
    if not any(doc.ents for doc in sample):
        raise ValueError(
            f"The gold data ({len(gold):,} docs) has no entity with one of the labels {', '.join(labels)}. Give docs "
            "with `ents`, and labels that they have."
        )
    examples: dict[str, ExamplesFor | None] = {}
    for by in dict.fromkeys(choices):
        if by == NONE:
            examples[by] = None
            continue
        found = dict(choose_examples(pool, shots=shots, by=by, labels=labels).with_examples(sample))
        examples[by] = _of_text({doc.text: shown for doc, shown in found.items()})
    return ComparisonPlan(sample, labels, loaded, examples, max_tokens)


def take_sample(docs: Sequence[Doc], limit: int) -> list[Doc]:
    """At most `limit` docs with the mixture of entity types that all have: the same ones each time."""
    if len(docs) <= limit:
        return list(docs)
    strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
    return [docs[i] for i in draw(strata, limit / len(docs), seed=0)]


def _of_text(examples: Mapping[str, Sequence[Doc]]) -> ExamplesFor:
    return lambda doc: examples[doc.text]


@dataclass(frozen=True)
class Best:
    """The best two ways, which may be one.

    by_f1: the highest F1; among equals the cheapest.
    for_cost: the cheapest of those whose F1 is not below the 95% interval of the highest. Without prices, and where
        all cost the same, that with the fewest tokens.
    """

    by_f1: VariantResult
    for_cost: VariantResult


def find_best(results: Sequence[VariantResult]) -> Best | None:
    """The best of `results`; None where nothing right was found at all."""
    best = max(results, key=lambda result: (result.f, *(-price for price in _price(result))), default=None)
    if best is None or not best.f:
        return None
    near = [result for result in results if result.f >= best.low]
    return Best(best, min(near, key=lambda result: (*_price(result), -result.f)))


def _price(result: VariantResult) -> tuple[float, float]:
    return result.cost or 0.0, result.tokens


@dataclass(frozen=True)
class Money:
    """Says what results cost: in the currency of the price list, or without one in tokens."""

    prices: PriceList | None

    @property
    def name(self) -> str:
        """What amounts are called."""
        return "tokens" if self.prices is None else f"cost, {self.prices.currency}"

    def amount(self, result: VariantResult) -> float:
        """The cost as a number."""
        return result.tokens if result.cost is None else result.cost

    def of(self, result: VariantResult) -> str:
        """The cost of a result, without the currency."""
        return f"{result.tokens:,}" if result.cost is None else show_cost(result.cost)

    def beside_expert(self, result: VariantResult, *, words: int) -> str | None:
        """What the sample costs from a model, and from an expert; None where a price is missing."""
        if self.prices is None or self.prices.expert is None or result.cost is None:
            return None
        expert: Expert = self.prices.expert
        cost, currency = expert.cost(words), self.prices.currency
        minutes = words / expert.words_per_minute
        told = (
            f"For these {result.texts:,} texts ({words:,} words) {result.variant.model} took {currency} "
            f"{show_cost(result.cost)} (F1 {100 * result.f:.1f}); an expert takes {currency} {show_cost(cost)} "
            f"({minutes:,.0f} minutes)"
        )
        if not result.cost or not cost:
            return f"{told}."
        times = cost / result.cost
        return f"{told}, {times:,.1f} times as much." if times >= 1 else f"{told}, {1 / times:,.1f} times less."


def show_cost(cost: float) -> str:
    """An amount with two decimals, or two digits where it is small."""
    return f"{cost:,.2f}" if cost >= 1 or not cost else f"{cost:.2g}"


HEADER = ["model", "prompt", "examples", "P", "R", "F1", "95% interval", "unusable, %", "lost", "s a text"]
HEADER += ["tokens in", "tokens out"]
N_NAMES = 3
TYPE_HEADER = ("type", "variant", "P", "R", "F1")


def result_rows(results: Sequence[VariantResult], money: Money) -> list[tuple[str, ...]]:
    """A row for each result under `HEADER`, and its cost where there are prices."""
    return [(*_cells(each), *([] if money.prices is None else [money.of(each)])) for each in results]


def type_rows(results: Sequence[VariantResult]) -> list[tuple[str, ...]]:
    """A row for each label and result under `TYPE_HEADER`."""
    labels = sorted({label for each in results for label in each.per_type})
    names = short_names([each.variant for each in results])
    return [
        (label, name, *(percent(each.per_type.get(label, {}).get(key)) for key in "prf"))
        for label in labels
        for name, each in zip(names, results, strict=True)
    ]


def show_interval(result: VariantResult) -> str:
    """Where the F1 of all texts of this kind lies."""
    return f"{percent(result.low)} to {percent(result.high)}"


def _cells(result: VariantResult) -> tuple[str, ...]:
    return (
        result.variant.model,
        result.variant.prompt,
        "zero-shot" if result.variant.examples == NONE else result.variant.examples,
        *(percent(share) for share in (result.p, result.r, result.f)),
        show_interval(result),
        percent(result.unusable),
        f"{result.lost:,}",
        f"{result.seconds / result.texts:,.2f}",
        f"{result.input_tokens:,}",
        f"{result.output_tokens:,}",
    )
