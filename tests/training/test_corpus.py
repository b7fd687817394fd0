"""Sentences in capitals, for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from pathlib import Path
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.training import Example
from spacy.util import registry
from spacy_llama_ner.data.bio_tags import doc_tags
from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.training.corpus import StratifiedCorpus
from spacy_llama_ner.training.corpus import allot
from spacy_llama_ner.training.corpus import draw
from spacy_llama_ner.training.corpus import make_capitals
from thinc.api import Config
import os
import pytest
import random
import spacy
import subprocess
import sys

NLP = spacy.blank("en")
WORDS = ["Ana", "saw", "Weiß", ".", "Oslo", "waits"]
ENTS = ["B-PER", "O", "B-PER", "O", "B-LOC", "O"]
STARTS = [True, False, False, False, True, False]


def example(*, sentences: bool = True) -> Example:
    doc = Doc(NLP.vocab, words=WORDS, ents=ENTS, sent_starts=STARTS if sentences else None)
    return Example(Doc(NLP.vocab, words=WORDS, spaces=[True] * 6), doc)


def words(given: Example) -> list[str]:
    return [word.text for word in given.predicted]


def test_words_and_entities_stay_what_they_are() -> None:
    (given,) = make_capitals(1.0)(NLP, example())
    assert words(given) == ["ANA", "SAW", "WEIß", ".", "OSLO", "WAITS"]
    assert given.predicted.text == "ANA SAW WEIß . OSLO WAITS "
    assert given.get_aligned_ner() == ["U-PER", "O", "U-PER", "O", "U-LOC", "O"]
    assert doc_tags(given.reference) == ENTS


def test_none_at_level_0() -> None:
    (given,) = make_capitals(0.0)(NLP, example())
    assert words(given) == WORDS and given.predicted.text == example().predicted.text


def test_each_sentence_is_drawn_for_itself() -> None:
    random.seed(0)
    drawn = [words(next(iter(make_capitals(0.5)(NLP, example())))) for _ in range(400)]
    kinds = {(given[0].isupper(), given[1].isupper(), given[4].isupper(), given[5].isupper()) for given in drawn}
    assert kinds == {(a, a, b, b) for a in (False, True) for b in (False, True)}
    assert 0.4 < sum(given[0] == "ANA" for given in drawn) / 400 < 0.6


def test_without_sentence_boundaries_a_doc_is_one_sentence() -> None:
    drawn = {tuple(words(next(iter(make_capitals(0.5)(NLP, example(sentences=False)))))) for _ in range(100)}
    assert drawn == {tuple(WORDS), ("ANA", "SAW", "WEIß", ".", "OSLO", "WAITS")}


def test_a_corpus_takes_it_and_draws_anew_at_each_pass(tmp_path: Path) -> None:
    write_docbin([example().reference] * 50, tmp_path / "train.spacy")
    read = spacy.registry.resolve(
        {
            "reader": {
                "@readers": "spacy_llama_ner.StratifiedCorpus.v1",
                "path": str(tmp_path / "train.spacy"),
                "augmenter": {"@augmenters": "spacy_llama_ner.capitals.v1", "level": 0.3},
            }
        }
    )["reader"]
    random.seed(0)
    first, second = ([words(given) for given in read(NLP)] for _ in range(2))
    assert first != second
    assert len(first) == 50 and 0 < sum(given[4] == "OSLO" for given in first) < 50
    assert [words(given) for given in Corpus(tmp_path / "train.spacy")(NLP)] == [WORDS] * 50


@pytest.mark.parametrize("level", [-0.1, 1.1])
def test_a_level_out_of_range_is_named(level: float) -> None:
    with pytest.raises(ValueError, match=rf"`level` is {level}; it must be from 0 to 1"):
        make_capitals(level)


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


def test_a_fifth_keeps_the_mixture_and_the_rarest_type(corpus: Path) -> None:
    examples = list(StratifiedCorpus(corpus, fraction=0.2)(NLP))
    strata = Counter(tuple(sorted({ent.label_ for ent in eg.reference.ents})) for eg in examples)
    assert strata == {(): 7, ("PER",): 6, ("LOC",): 4, ("LOC", "PER"): 2, ("RARE",): 1}


def test_every_pass_and_every_process_draws_the_same(corpus: Path) -> None:
    reader = StratifiedCorpus(corpus, fraction=0.3, seed=4)
    first = numbers(reader)
    assert first == sorted(first)
    assert numbers(reader) == first
    code = (
        "import sys, spacy; from pathlib import Path; "
        "from spacy_llama_ner.data.stratified import StratifiedCorpus; "
        "docs = StratifiedCorpus(Path(sys.argv[1]), fraction=0.3, seed=4)(spacy.blank('en')); "
        "print(*[example.reference[0].text for example in docs])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(corpus)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(number) for number in answer.stdout.split()] == first


def test_another_seed_draws_others(corpus: Path) -> None:
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


def test_sents_cuts_the_docs_drawn_into_pieces(corpus: Path) -> None:
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
    assert len(draw(strata, fraction=0.2, seed=0)) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sets(st.sampled_from("ABC")).map(lambda labels: tuple(sorted(labels))), st.integers(1, 50)),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
)
def test_shares_are_fair(sizes: dict[tuple[str, ...], int], fraction: float, seed: int) -> None:
    counts = allot(sizes, fraction, seed)
    total = sum(counts.values())
    labels = {label for key in sizes for label in key}
    assert total == (max(1, round(fraction * sum(sizes.values()))) if sizes else 0)
    assert all(0 <= counts[key] <= sizes[key] for key in sizes)
    # a label may cost another stratum one item, no more
    assert all(abs(counts[key] - fraction * sizes[key]) < 1 + len(labels) for key in sizes)
    if total >= len(sizes) and total >= len(labels):
        assert labels == {label for key, count in counts.items() if count for label in key}


def test_strata_of_one_doc_have_their_turn_over_seeds() -> None:
    """A corpus of long docs has hardly two with the same set of labels."""
    sizes = {(label,): 1 for label in "ABCDEFGHIJ"}
    taken = [{key for key, count in allot(sizes, 0.5, seed).items() if count} for seed in range(20)]
    assert all(len(keys) == 5 for keys in taken)
    assert set().union(*taken) == set(sizes)
    assert len({frozenset(keys) for keys in taken}) > 10


def test_a_label_is_kept_at_the_cost_of_one_that_others_have() -> None:
    sizes = {("A",): 2, ("A", "B"): 2, ("B",): 2, ("C",): 1}
    for seed in range(20):
        counts = allot(sizes, 3 / 7, seed)
        assert sum(counts.values()) == 3
        assert {"A", "B", "C"} == {label for key, count in counts.items() if count for label in key}
