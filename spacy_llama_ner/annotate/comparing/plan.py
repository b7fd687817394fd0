"""What is asked of each model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spacy.tokens import Doc

from ...data.stratified import draw
from ..labeller import ExamplesFor, Labeller
from ..prompts import Prompt
from ..retrieval import choose_examples, with_labels
from ..run import Run
from .measure import measure
from .result import NONE, Result, Variant


@dataclass(frozen=True)
class Plan:
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

    def results(self, model: str, run: Run) -> Iterator[Result]:
        """One for each prompt and choice of examples. model: its name in the log. Raises: as `Run.answers`."""
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
) -> Plan:
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
    return Plan(sample, labels, loaded, examples, max_tokens)


def take_sample(docs: Sequence[Doc], limit: int) -> list[Doc]:
    """At most `limit` docs with the mixture of entity types that all have: the same ones each time."""
    if len(docs) <= limit:
        return list(docs)
    strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
    return [docs[i] for i in draw(strata, limit / len(docs), seed=0)]


def _of_text(examples: Mapping[str, Sequence[Doc]]) -> ExamplesFor:
    return lambda doc: examples[doc.text]
