"""Comparison of prompts, choices of examples and models: each variant labels the same sample of gold texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spacy.tokens import Doc
from spacy.training import Example

from ..data.docs import unlabelled
from ..data.errors import LlamaNERError
from ..evaluate.matching import Tally
from ..evaluate.predict import percent
from ..evaluate.scorer import ENTS_F, ENTS_P, ENTS_PER_TYPE, ENTS_R, seqeval_score
from ..evaluate.significance import f1_interval, tally_sentences
from ..training.corpus import stratified_sample
from .examples import filter_labels, make_selector
from .labelling import Labeller, SelectExamples
from .pricing import PriceList
from .prompts import LabellingPrompt
from .runner import Runner

ZERO_SHOT = "none"
HEADER = ["model", "prompt", "examples", "P", "R", "F1", "95% interval", "unusable, %", "lost", "s a text"]
HEADER += ["tokens in", "tokens out"]
# how many of these are names, the others are numbers
N_NAMES = 3
TYPE_HEADER = ("type", "variant", "P", "R", "F1")


class ComparisonError(LlamaNERError):
    """Gold data without an entity that could be found."""


@dataclass(frozen=True)
class Variant:
    """One way to get labels.

    Attributes:
        prompt: Name or path.
        examples: How they are selected; "none" for zero-shot.
        model: Its name in the log of replies.
    """

    prompt: str
    examples: str
    model: str

    @property
    def parts(self) -> tuple[str, str, str]:
        """Prompt, examples and model as they are shown."""
        return self.prompt, "zero-shot" if self.examples == ZERO_SHOT else self.examples, self.model


@dataclass(frozen=True)
class VariantResult:
    """How a variant has labelled the sample.

    Attributes:
        variant: The variant.
        p: Precision of whole entities, 0 to 1.
        r: Recall.
        f: F1.
        low: Lower end of the 95% interval of `f`.
        high: Its upper end.
        per_type: P, r and f by label.
        texts: How many texts the sample has.
        lost: Those without a usable reply, which count as texts without entities.
        replies: How many replies there were, those that could not be used among them.
        rejected: Replies that could not be used, by reason.
        seconds: Of all requests that got a reply, summed up even where they were under way at the same time.
        input_tokens: Of all requests.
        output_tokens: Of all replies.
        cost: Of all tokens; None without prices.
        unanswered: Of the lost texts, those without any reply, by reason.
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
        """Tokens of input and output."""
        return self.input_tokens + self.output_tokens

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain types, with the share `unusable`."""
        fields = asdict(self)
        return {**fields.pop("variant"), **fields, "unusable": self.unusable}


def evaluate_variant(variant: Variant, gold: Sequence[Doc], *, labeller: Labeller, runner: Runner) -> VariantResult:
    """Label each text and score the replies.

    Args:
        variant: What is evaluated.
        gold: Docs with their entities, which they keep. Scores count their words as they are.
        labeller: Makes the requests of the variant.
        runner: Sends them; its prices give the cost.

    Returns:
        Scores, tokens and cost.

    Raises:
        BackendRefusedError: See `Runner.run`.
        OSError: likewise.
    """

    def without_ents(doc: Doc) -> Doc:
        copy = unlabelled(doc)
        copy.ents = []
        return copy

    outcomes = list(runner.run(labeller.make_job(without_ents(doc), at) for at, doc in enumerate(gold, start=1)))
    examples = [
        Example(without_ents(doc) if outcome.value is None else outcome.value.doc, doc)
        for doc, outcome in zip(gold, outcomes, strict=True)
    ]
    scores = seqeval_score(examples)
    low, high = f1_interval([part.get(None, Tally()) for example in examples for part in tally_sentences(example)])
    replies = [reply for outcome in outcomes for reply in outcome.replies]
    input_tokens = sum(reply.input_tokens for reply in replies)
    output_tokens = sum(reply.output_tokens for reply in replies)
    prices = runner.progress.prices
    rejections = Counter(error.reason for outcome in outcomes for error in outcome.rejections)
    unanswered = Counter(str(each.failure) for each in outcomes if each.failure and not each.replies)
    return VariantResult(
        variant=variant,
        p=scores[ENTS_P],
        r=scores[ENTS_R],
        f=scores[ENTS_F],
        low=low,
        high=high,
        per_type=scores[ENTS_PER_TYPE],
        texts=len(gold),
        lost=sum(outcome.value is None for outcome in outcomes),
        replies=len(replies),
        rejected=dict(rejections.most_common()),
        seconds=round(sum(reply.seconds for reply in replies), 3),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost=None if prices is None else prices.cost(input_tokens, output_tokens),
        unanswered=dict(unanswered),
    )


@dataclass(frozen=True)
class ComparisonPlan:
    """Prompts and ways to select examples, each of which is tried on the same sample.

    Attributes:
        sample: Gold docs, with entities of `labels` alone.
        labels: Descriptions by label, which may be empty.
        prompts: To be tried.
        examples: Selectors of examples by their name; None for zero-shot.
        max_tokens: Maximum length of a reply, see `Labeller`.
    """

    sample: Sequence[Doc]
    labels: Mapping[str, str]
    prompts: Sequence[LabellingPrompt]
    examples: Mapping[str, SelectExamples | None]
    max_tokens: int | None

    @property
    def n_requests(self) -> int:
        """How many requests each model gets, retries not counted."""
        return len(self.prompts) * len(self.examples) * len(self.sample)

    @property
    def n_words(self) -> int:
        """How many words the sample has."""
        return sum(len(doc) for doc in self.sample)

    def evaluate(self, model: str, runner: Runner) -> Iterator[VariantResult]:
        """Evaluate each prompt with each way to select examples.

        Args:
            model: Name of the model in the log of replies.
            runner: Asks it.

        Yields:
            One result for each variant.

        Raises:
            BackendRefusedError: See `Runner.run`.
            OSError: likewise.
        """
        for prompt in self.prompts:
            for by, select in self.examples.items():
                labeller = Labeller(prompt, self.labels, select_examples=select, max_tokens=self.max_tokens)
                variant = Variant(prompt.name, by, model)
                yield evaluate_variant(variant, self.sample, labeller=labeller, runner=runner)


def plan_comparison(
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
    """Load the prompts, draw a stratified sample, and select examples for it.

    Args:
        gold: Docs with entities.
        labels: Descriptions by label, which may be empty; other entities are left out.
        prompts: Names or paths.
        choices: How examples are selected, as `by` of `make_selector`, and "none" for zero-shot.
        pool: Gold docs that examples are selected from.
        shots: How many examples for a text.
        limit: Maximum size of the sample.
        max_tokens: Maximum length of a reply, see `Labeller`.

    Returns:
        The plan.

    Raises:
        ComparisonError: If the sample has no entity.
        PromptError: If a prompt cannot be used.
        ExamplesError: If the pool has no entity, or a way to select examples is unknown.
    """
    loaded = [LabellingPrompt(prompt) for prompt in dict.fromkeys(prompts)]
    sample = sample_docs([filter_labels(doc, labels) for doc in gold], limit)
    if not any(doc.ents for doc in sample):
        raise ComparisonError(
            f"The gold data ({len(gold):,} docs) has no entity with one of the labels {', '.join(labels)}. Give docs "
            "with `ents`, and labels that they have."
        )
    examples: dict[str, SelectExamples | None] = {}
    for by in dict.fromkeys(choices):
        if by == ZERO_SHOT:
            examples[by] = None
            continue
        selected = make_selector(pool, shots=shots, by=by, labels=labels).select_all(sample)
        examples[by] = _lookup({doc.text: shown for doc, shown in selected})
    return ComparisonPlan(sample, labels, loaded, examples, max_tokens)


def _lookup(examples: Mapping[str, Sequence[Doc]]) -> SelectExamples:
    return lambda doc: examples[doc.text]


def sample_docs(docs: Sequence[Doc], limit: int) -> list[Doc]:
    """Draw at most `limit` docs with the same mixture of entity types as all: the same ones each time."""
    if len(docs) <= limit:
        return list(docs)
    strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
    return [docs[i] for i in stratified_sample(strata, limit / len(docs), seed=0)]


@dataclass(frozen=True)
class BestVariants:
    """The best two results, which may be the same.

    Attributes:
        by_f1: The highest F1; among equals the cheapest.
        for_cost: The cheapest of those whose F1 is not below the 95% interval of the highest. Without prices, and
            where all cost the same, that with the fewest tokens.
    """

    by_f1: VariantResult
    for_cost: VariantResult


def find_best_variants(results: Sequence[VariantResult]) -> BestVariants | None:
    """Find the best of `results`; None where no variant found a single right entity."""

    def price(result: VariantResult) -> tuple[float, float]:
        return result.cost or 0.0, result.tokens

    best = max(results, key=lambda result: (result.f, *(-amount for amount in price(result))), default=None)
    if best is None or not best.f:
        return None
    near = [result for result in results if result.f >= best.low]
    return BestVariants(best, min(near, key=lambda result: (*price(result), -result.f)))


@dataclass(frozen=True)
class CostFormatter:
    """Shows what results cost: in the currency of a price list, or in tokens.

    Attributes:
        prices: The price list; None for tokens.
    """

    prices: PriceList | None

    @property
    def unit(self) -> str:
        """What amounts are called."""
        return "tokens" if self.prices is None else f"cost, {self.prices.currency}"

    def amount(self, result: VariantResult) -> float:
        """Return the cost of a result as a number."""
        return result.tokens if result.cost is None else result.cost

    def format(self, result: VariantResult) -> str:
        """Return the cost of a result as text, without the currency."""
        return f"{result.tokens:,}" if result.cost is None else format_cost(result.cost)

    def compare_with_expert(self, result: VariantResult, *, words: int) -> str | None:
        """Compare what the sample costs from a model with what it costs from an expert.

        Args:
            result: Of the model.
            words: Of the sample.

        Returns:
            A sentence; None where a price is missing.
        """
        if self.prices is None or self.prices.expert is None or result.cost is None:
            return None
        expert, currency = self.prices.expert, self.prices.currency
        expert_cost = expert.cost(words)
        minutes = words / expert.words_per_minute
        sentence = (
            f"For these {result.texts:,} texts ({words:,} words) {result.variant.model} took {currency} "
            f"{format_cost(result.cost)} (F1 {100 * result.f:.1f}); an expert takes {currency} "
            f"{format_cost(expert_cost)} ({minutes:,.0f} minutes)"
        )
        if not result.cost or not expert_cost:
            return f"{sentence}."
        times = expert_cost / result.cost
        return (
            f"{sentence}, {times:,.1f} times as much." if times >= 1 else f"{sentence}, {1 / times:,.1f} times less."
        )


def format_cost(cost: float) -> str:
    """Return an amount with two decimals, or two digits where it is small."""
    return f"{cost:,.2f}" if cost >= 1 or not cost else f"{cost:.2g}"


def short_names(variants: Sequence[Variant]) -> list[str]:
    """Name each variant by the parts in which they differ."""
    rows = [variant.parts for variant in variants]
    differ = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    if not any(differ):
        return [row[0] for row in rows]
    return [", ".join(part for part, differs in zip(row, differ, strict=True) if differs) for row in rows]


def result_rows(results: Sequence[VariantResult], costs: CostFormatter) -> list[tuple[str, ...]]:
    """Return a row for each result under `HEADER`, and its cost where there are prices."""
    rows = []
    for result in results:
        prompt, examples, model = result.variant.parts
        scores = [percent(share) for share in (result.p, result.r, result.f)]
        replies = [percent(result.unusable), f"{result.lost:,}", f"{result.seconds / result.texts:,.2f}"]
        tokens = [f"{result.input_tokens:,}", f"{result.output_tokens:,}"]
        cost = [] if costs.prices is None else [costs.format(result)]
        rows.append((model, prompt, examples, *scores, format_interval(result), *replies, *tokens, *cost))
    return rows


def type_rows(results: Sequence[VariantResult]) -> list[tuple[str, ...]]:
    """Return a row for each label and result under `TYPE_HEADER`."""
    labels = sorted({label for each in results for label in each.per_type})
    names = short_names([each.variant for each in results])
    return [
        (label, name, *(percent(each.per_type.get(label, {}).get(key)) for key in "prf"))
        for label in labels
        for name, each in zip(names, results, strict=True)
    ]


def format_interval(result: VariantResult) -> str:
    """Return the 95% interval of the F1."""
    return f"{percent(result.low)} to {percent(result.high)}"
