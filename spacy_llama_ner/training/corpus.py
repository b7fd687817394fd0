"""A corpus reader that gives a stratified, seeded fraction of a `.spacy` corpus, in pieces if wanted."""

from __future__ import annotations

from ..data.docs import cut
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.training import Example
from spacy.vocab import Vocab
from typing import Any
import random

Stratum = tuple[str, ...]


def StratifiedCorpus(
    path: Path | None,
    fraction: float = 1.0,
    seed: int = 0,
    sents: int = 0,
    gold_preproc: bool = False,
    max_length: int = 0,
    augmenter: Callable[[Language, Example], Iterable[Example]] | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """`spacy_llama_ner.StratifiedCorpus.v1`: a fraction of a corpus with its mixture of entity types.

    The strata are the sets of entity labels that docs have; docs without entities are one of them. From each
    comes `fraction` of its docs, rounded as `allot` says. The same docs, in the order of the corpus, come at
    every pass and in every process; another `seed` gives others. With 1.0 and 0 for `sents` the corpus comes as
    from `spacy.Corpus.v1`.

    path: a `.spacy` file or a folder of such files.
    fraction: above 0, up to 1; at least one doc comes.
    sents: sentences in a piece that docs are cut into, as `cut` says; 0 keeps them whole. A batch of so many words
        holds pieces of many docs, where it would hold one or two long ones.
    gold_preproc, max_length, augmenter: as for `spacy.Corpus.v1`. They apply to the docs drawn, or their pieces.

    Raises: ValueError for no path (a config without it), a fraction out of range and a negative number of
    sentences.
    """
    if path is None:
        raise ValueError(Errors.E913)
    if not 0 < fraction <= 1:
        raise ValueError(f"`fraction` is {fraction}; it must be above 0 and at most 1 (0.2 is a fifth of the docs).")
    if sents < 0:
        raise ValueError(f"`sents` is {sents}; give 0 for whole docs, N for pieces of N sentences.")
    return _Drawn(
        path,
        fraction=fraction,
        seed=seed,
        sents=sents,
        gold_preproc=gold_preproc,
        max_length=max_length,
        augmenter=augmenter,
    )


class _Drawn(Corpus):
    def __init__(self, path: Path, *, fraction: float, seed: int, sents: int, **as_spacy: Any) -> None:
        super().__init__(path, **as_spacy)
        self.fraction = fraction
        self.seed = seed
        self.sents = sents

    def read_docbin(self, vocab: Vocab, locs: Iterable[str | Path]) -> Iterator[Doc]:
        docs = super().read_docbin(vocab, locs)
        if self.fraction < 1:
            docs = self._draw(list(docs))
        for doc in docs:
            yield from cut(doc, self.sents)

    def _draw(self, docs: list[Doc]) -> Iterator[Doc]:
        strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
        return (docs[i] for i in draw(strata, self.fraction, self.seed))


def draw(strata: Iterable[Stratum], fraction: float, seed: int) -> list[int]:
    """Indices, ascending, of a stratified sample; `strata` gives the stratum of every item. See `allot`."""
    members: dict[Stratum, list[int]] = defaultdict(list)
    for i, stratum in enumerate(strata):
        members[stratum].append(i)
    chosen: list[int] = []
    for stratum, count in allot({key: len(items) for key, items in members.items()}, fraction, seed).items():
        # a string seeds by its SHA-512, the same in every process; a generator for each stratum keeps them
        # apart
        random.Random(f"{seed} {stratum}").shuffle(members[stratum])
        chosen += members[stratum][:count]
    return sorted(chosen)


def allot(sizes: Mapping[Stratum, int], fraction: float, seed: int) -> dict[Stratum, int]:
    """How many items to take from each stratum.

    The total is `fraction` of all items, rounded, and at least 1. Each stratum gets its share rounded down or up, up
    as often over seeds as its share says (systematic sampling; Madow 1949, On the Theory of Systematic Sampling, II).
    After that, each label that got nothing, the rarest first, gets one item from the largest stratum that has it, at
    the cost of the stratum with the most items among those that can give one without losing a label.
    A total smaller than the number of labels cannot keep them all.
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
        if _taken(counts, label):
            continue
        donors = [
            key for key in keys if counts[key] > 1 or (counts[key] == 1 and all(_taken(counts, of) > 1 for of in key))
        ]
        if donors:
            counts[max(donors, key=lambda key: counts[key])] -= 1
            counts[max((key for key in keys if label in key), key=lambda key: sizes[key])] += 1
    return counts


def _taken(counts: Mapping[Stratum, int], label: str) -> int:
    return sum(count for key, count in counts.items() if label in key)


def make_capitals(level: float) -> Callable[[Language, Example], Iterator[Example]]:
    """`spacy_llama_ner.capitals.v1`: some sentences come in capitals.

    What a corpus reader gives as `augmenter`, the counterpart of `spacy.lower_case.v1`. Words, and with them
    entities, stay what they are; letters without a capital of their own ("ß") stay as well. Drawn by Python's
    `random`, which `spacy train` seeds, whenever the corpus is read: once where `training.max_epochs` is 0 or
    more, at each pass where it is -1.

    level: share of the sentences, 0 to 1; docs without sentence boundaries are one sentence.

    Raises: ValueError for a level out of range.
    """
    if not 0 <= level <= 1:
        raise ValueError(f"`level` is {level}; it must be from 0 to 1 (0.1 is a tenth of the sentences).")

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        words: list[str] = []
        chosen = False
        for word, starts in zip(example.predicted, example.get_aligned_sent_starts(), strict=True):
            if starts or not words:
                chosen = random.random() < level
            words.append("".join(map(_capital, word.text)) if chosen else word.text)
        spaces = [bool(word.whitespace_) for word in example.predicted]
        yield Example(Doc(nlp.vocab, words=words, spaces=spaces), example.reference)

    return augment


def _capital(letter: str) -> str:
    """The capital, if it is one that spaCy takes for the same letter when it aligns words."""
    capital = letter.upper()
    return capital if capital.lower() == letter.lower() else letter
