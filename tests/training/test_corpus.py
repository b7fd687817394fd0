"""`StratifiedCorpus`: docs that are drawn, and pieces that they are split into."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import registry
from thinc.api import Config

from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.training.corpus import StratifiedCorpus, stratified_sample, stratum_sizes

NLP = spacy.blank("en")
# label of each doc's entities → number of docs
MIXTURE = {(): 40, ("PER",): 30, ("LOC",): 20, ("LOC", "PER"): 9, ("RARE",): 1}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A hundred docs of two sentences; the first word of each is its number."""
    docs: list[Doc] = []
    for labels, count in MIXTURE.items():
        for _ in range(count):
            words = [str(len(docs)), *(labels or ("none",)), "."]
            ents = ["O", *(f"B-{label}" for label in labels or ()), *([] if labels else ["O"]), "O"]
            starts = [True, *[False] * (len(words) - 2), True]
            docs.append(Doc(NLP.vocab, words=words, ents=ents, sent_starts=starts))
    write_docbin(docs, tmp_path / "a.spacy")
    return tmp_path / "a.spacy"


def numbers(reader: Callable[[Language], Iterable[Example]]) -> list[int]:
    return [int(example.reference[0].text) for example in reader(NLP)]


def test_the_whole_is_the_plain_corpus(corpus: Path) -> None:
    assert numbers(StratifiedCorpus(corpus)) == numbers(Corpus(corpus)) == list(range(100))


def test_a_fifth_keeps_the_mixture_and_the_rarest_label(corpus: Path) -> None:
    examples = list(StratifiedCorpus(corpus, fraction=0.2)(NLP))
    strata = Counter(tuple(sorted({ent.label_ for ent in eg.reference.ents})) for eg in examples)
    assert strata == {(): 7, ("PER",): 6, ("LOC",): 4, ("LOC", "PER"): 2, ("RARE",): 1}


def test_every_pass_and_every_process_draws_the_same_docs(corpus: Path) -> None:
    reader = StratifiedCorpus(corpus, fraction=0.3, seed=4)
    first = numbers(reader)
    assert first == sorted(first)
    assert numbers(reader) == first
    code = (
        "import sys, spacy; from pathlib import Path; "
        "from spacy_llama_ner.training.corpus import StratifiedCorpus; "
        "docs = StratifiedCorpus(Path(sys.argv[1]), fraction=0.3, seed=4)(spacy.blank('en')); "
        "print(*[example.reference[0].text for example in docs])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(corpus)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(number) for number in done.stdout.split()] == first


def test_another_seed_draws_other_docs(corpus: Path) -> None:
    assert numbers(StratifiedCorpus(corpus, 0.3, seed=1)) != numbers(StratifiedCorpus(corpus, 0.3, seed=2))


def test_a_folder_is_one_corpus(corpus: Path) -> None:
    write_docbin([Doc(NLP.vocab, words=["100", "."], ents=["O", "O"])], corpus.parent / "more" / "b.spacy")
    assert len(numbers(StratifiedCorpus(corpus.parent, fraction=0.5))) == round(101 / 2)


def test_gold_preproc_and_max_length_split_docs_as_spacy_does(corpus: Path) -> None:
    plain = len(numbers(StratifiedCorpus(corpus, fraction=0.5)))
    gold = list(StratifiedCorpus(corpus, fraction=0.5, gold_preproc=True)(NLP))
    assert len(gold) == 2 * plain
    short = list(StratifiedCorpus(corpus, fraction=0.5, max_length=3)(NLP))
    assert max(len(example.reference) for example in short) < 3


def test_sents_splits_the_docs_drawn_into_pieces(corpus: Path) -> None:
    whole = StratifiedCorpus(corpus, fraction=0.5)
    pieces = list(StratifiedCorpus(corpus, fraction=0.5, sents=1)(NLP))
    assert len(pieces) == 2 * len(numbers(whole))
    words = [word.text for example in whole(NLP) for word in example.reference]
    assert [word.text for example in pieces for word in example.reference] == words
    assert [word.text for example in pieces for word in example.predicted] == words
    assert numbers(StratifiedCorpus(corpus, sents=2)) == numbers(StratifiedCorpus(corpus))


def test_a_negative_number_of_sentences_is_refused(corpus: Path) -> None:
    with pytest.raises(ValueError, match="`sents` is -1"):
        StratifiedCorpus(corpus, sents=-1)


def test_an_augmenter_is_applied(corpus: Path) -> None:
    def twice(nlp: Language, example: Example) -> Iterator[Example]:
        yield from (example, example)

    once = numbers(StratifiedCorpus(corpus, fraction=0.1))
    assert numbers(StratifiedCorpus(corpus, fraction=0.1, augmenter=twice)) == sorted(once * 2)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01])
def test_a_fraction_out_of_range_is_refused(corpus: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match="`fraction` is"):
        StratifiedCorpus(corpus, fraction=fraction)


def test_no_path_is_refused() -> None:
    with pytest.raises(ValueError, match="E913"):
        StratifiedCorpus(None)


@pytest.mark.parametrize("fraction", ["0.5", "1"])
def test_a_config_builds_it_from_the_registry(corpus: Path, fraction: str) -> None:
    config = Config().from_str(f"""
        [reader]
        @readers = "spacy_llama_ner.StratifiedCorpus.v1"
        path = "{corpus.as_posix()}"
        fraction = {fraction}
        seed = 3
        """)
    reader = registry.resolve(config)["reader"]
    assert len(numbers(reader)) == 100 * float(fraction)


def test_too_few_to_keep_all_labels_still_draws() -> None:
    strata = [(label,) for label in "ABCDEF"]
    assert len(stratified_sample(strata, 0.2, seed=0)) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sets(st.sampled_from("ABC")).map(lambda labels: tuple(sorted(labels))), st.integers(1, 50)),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
)
def test_shares_are_fair(sizes: dict[tuple[str, ...], int], fraction: float, seed: int) -> None:
    counts = stratum_sizes(sizes, fraction, seed=seed)
    total = sum(counts.values())
    labels = {label for key in sizes for label in key}
    assert total == (max(1, round(fraction * sum(sizes.values()))) if sizes else 0)
    assert all(0 <= counts[key] <= sizes[key] for key in sizes)
    # a label may cost another stratum one item, no more
    assert all(abs(counts[key] - fraction * sizes[key]) < 1 + len(labels) for key in sizes)
    if total >= len(sizes) and total >= len(labels):
        assert labels == {label for key, count in counts.items() if count for label in key}


def test_strata_of_one_doc_are_drawn_by_some_seeds() -> None:
    """A corpus of long docs has hardly two with the same set of labels."""
    sizes = {(label,): 1 for label in "ABCDEFGHIJ"}
    taken = [{key for key, count in stratum_sizes(sizes, 0.5, seed=seed).items() if count} for seed in range(20)]
    assert all(len(keys) == 5 for keys in taken)
    assert set().union(*taken) == set(sizes)
    assert len({frozenset(keys) for keys in taken}) > 10


def test_a_rare_label_is_kept_at_the_cost_of_a_frequent_one() -> None:
    sizes = {("A",): 2, ("A", "B"): 2, ("B",): 2, ("C",): 1}
    for seed in range(20):
        counts = stratum_sizes(sizes, 3 / 7, seed=seed)
        assert sum(counts.values()) == 3
        assert {"A", "B", "C"} == {label for key, count in counts.items() if count for label in key}
