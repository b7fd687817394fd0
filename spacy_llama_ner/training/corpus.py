"""`StratifiedCorpus.v1`: reads a stratified fraction of a `.spacy` corpus, in pieces if wanted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.vocab import Vocab

from ..data.docs import split_by_sentences

# the entity labels that a doc has, sorted
Stratum: TypeAlias = tuple[str, ...]


def StratifiedCorpus(
    path: Path | None,
    fraction: float = 1.0,
    seed: int = 0,
    sents: int = 0,
    gold_preproc: bool = False,
    max_length: int = 0,
    augmenter: Callable[[Language, Example], Iterable[Example]] | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """Create a reader of a fraction of a corpus with the mixture of entity types of the whole.

    The strata are the sets of entity labels that docs have; docs without entities are one of them. From each comes
    `fraction` of its docs, rounded as `stratum_sizes` says. The same docs, in the order of the corpus, come at every
    pass and in every process. With the defaults of `fraction` and `sents`, the corpus comes as from
    `spacy.Corpus.v1`.

    Args:
        path: A `.spacy` file or a folder of such files.
        fraction: Share of the docs, above 0, up to 1; at least one doc comes.
        seed: Decides which docs are drawn.
        sents: Number of sentences in each of the pieces that docs are split into, as `split_by_sentences` does; 0
            keeps docs whole. A batch of so many words holds pieces of many docs, where it would hold one or two long
            ones.
        gold_preproc: As for `spacy.Corpus.v1`, like the next two. They apply to the docs drawn, or their pieces.
        max_length: As for `spacy.Corpus.v1`.
        augmenter: As for `spacy.Corpus.v1`.

    Returns:
        The reader.

    Raises:
        ValueError: If there is no path (a config without it), the fraction is out of range, or the number of
            sentences is negative.
    """
    if path is None:
        raise ValueError(Errors.E913)
    if not 0 < fraction <= 1:
        raise ValueError(f"`fraction` is {fraction}; it must be above 0 and at most 1 (0.2 is a fifth of the docs).")
    if sents < 0:
        raise ValueError(f"`sents` is {sents}; give 0 for whole docs, N for pieces of N sentences.")
    return _StratifiedCorpus(
        path,
        fraction=fraction,
        seed=seed,
        sents=sents,
        gold_preproc=gold_preproc,
        max_length=max_length,
        augmenter=augmenter,
    )


class _StratifiedCorpus(Corpus):
    def __init__(self, path: Path, *, fraction: float, seed: int, sents: int, **corpus_settings: Any) -> None:
        super().__init__(path, **corpus_settings)
        self.fraction = fraction
        self.seed = seed
        self.sents = sents

    def read_docbin(self, vocab: Vocab, locs: Iterable[str | Path]) -> Iterator[Doc]:
        docs = super().read_docbin(vocab, locs)
        if self.fraction < 1:
            docs = self._draw(list(docs))
        for doc in docs:
            yield from split_by_sentences(doc, self.sents)

    def _draw(self, docs: list[Doc]) -> Iterator[Doc]:
        strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
        return (docs[i] for i in stratified_sample(strata, self.fraction, seed=self.seed))


def stratified_sample(strata: Iterable[Stratum], fraction: float, *, seed: int) -> list[int]:
    """Draw a stratified sample.

    Args:
        strata: The stratum of every item.
        fraction: Share of the items, 0 to 1; see `stratum_sizes`.
        seed: Decides which items are drawn.

    Returns:
        The indices of the items drawn, ascending.
    """
    members: dict[Stratum, list[int]] = defaultdict(list)
    for i, stratum in enumerate(strata):
        members[stratum].append(i)
    chosen: list[int] = []
    sizes = {key: len(items) for key, items in members.items()}
    for stratum, count in stratum_sizes(sizes, fraction, seed=seed).items():
        # a string seeds by its SHA-512, the same in every process; with a generator of its own, no stratum depends
        # on another
        random.Random(f"{seed} {stratum}").shuffle(members[stratum])
        chosen += members[stratum][:count]
    return sorted(chosen)


def stratum_sizes(sizes: Mapping[Stratum, int], fraction: float, *, seed: int) -> dict[Stratum, int]:
    """Decide how many items to take from each stratum.

    The total is `fraction` of all items, rounded, and at least 1. Each stratum gets its share rounded down or up, up
    as often over seeds as its share says (systematic sampling; Madow 1949, On the Theory of Systematic Sampling, II).
    After that, each label that got nothing, the rarest first, gets one item from the largest stratum that has it, at
    the cost of the stratum with the most items among those that can give one without losing a label. A total smaller
    than the number of labels cannot keep them all.

    Args:
        sizes: Number of items of each stratum.
        fraction: Share of the items, 0 to 1.
        seed: Decides which shares are rounded up.

    Returns:
        Number of items to take from each stratum.
    """
    if not sizes:
        return {}
    n_items = sum(sizes.values())
    total = max(1, round(fraction * n_items))
    keys = sorted(sizes)
    rng = random.Random(seed)
    rng.shuffle(keys)
    start, before = rng.randrange(n_items), 0
    counts = {}
    for key in keys:
        after = before + sizes[key]
        counts[key] = (after * total + start) // n_items - (before * total + start) // n_items
        before = after
    frequency: dict[str, int] = defaultdict(int)
    for key, size in sizes.items():
        for label in key:
            frequency[label] += size
    for label in sorted(frequency, key=lambda label: (frequency[label], label)):
        if _n_with_label(counts, label):
            continue
        donors = [
            key
            for key in keys
            if counts[key] > 1 or (counts[key] == 1 and all(_n_with_label(counts, each) > 1 for each in key))
        ]
        if donors:
            counts[max(donors, key=lambda key: counts[key])] -= 1
            counts[max((key for key in keys if label in key), key=lambda key: sizes[key])] += 1
    return counts


def _n_with_label(counts: Mapping[Stratum, int], label: str) -> int:
    return sum(count for key, count in counts.items() if label in key)
