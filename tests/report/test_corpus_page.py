"""The page about a corpus."""

from __future__ import annotations

import re

from spacy_llama_ner.evaluate.corpus_stats import describe
from spacy_llama_ner.report import render_corpus_report
from tests.evaluate.sample import gold_doc
from tests.report.html_reader import read
from tests.report.pages import EVIL, NLP, QUOTE, evil_corpora, tagged

TRAIN = [
    tagged(["Ada", "sails", "far"], tag="NNP", ent="PER", chunk="NP"),
    tagged(["Kiel"], tag="NN", ent="LOC", chunk="NP"),
]
DEV = [tagged(["Ada"], tag="NNP", ent="PER", chunk="VP"), tagged(["Bo", "too"], tag="NN", ent="PER", chunk="NP")]
PLAIN = [gold_doc(NLP, "Call Ida Holm.", [("Ida Holm", "NAME")])]


def shown() -> str:
    return read(render_corpus_report({"train": describe(TRAIN), "dev": describe(DEV)}, title="a corpus")).shown


def test_sizes_of_splits() -> None:
    assert "train 2 2 4 2 2 50.0 dev 2 2 3 2 2 66.7" in shown()


def test_labels_by_split() -> None:
    told = shown()
    assert "train dev PER 1 2 LOC 1 0 all 2 2" in told
    assert "train dev NNP 3 1 NN 1 2 all 4 3" in told
    assert "train dev NP 2 1 VP 0 1 all 2 2" in told


def test_bars_are_shares_of_a_split_on_one_scale() -> None:
    page = render_corpus_report({"train": describe(TRAIN), "dev": describe(DEV)}, title="a corpus")
    entities = page[page.index('id="entities"') : page.index('id="pos"')]
    # halves of train, all of dev
    assert re.findall(r'x="0.00%" width="([\d.]+)%"', entities) == ["50.00", "100.00", "50.00", "0.00"]


def test_lengths_of_sentences() -> None:
    told = shown()
    assert "mean median longest train 2 1 3 dev 1.5 1 2" in told
    assert "train: sentences, %, by length" in told


def test_entities_in_common() -> None:
    assert "all distinct LOC PER train in dev 50.00 50.00 0.00 100.00 dev in train 50.00 50.00 - 50.00" in shown()


def test_only_what_docs_carry_has_a_section() -> None:
    reader = read(render_corpus_report({"train": describe(PLAIN)}, title="a corpus"))
    assert reader.sections == ["splits", "entities", "lengths"]
    assert "Length of docs" in reader.shown
    assert "The docs have no sentence boundaries" in reader.shown
    full = read(render_corpus_report({"train": describe(TRAIN), "plain": describe(PLAIN)}, title="a corpus"))
    assert full.sections == ["splits", "entities", "pos", "chunks", "lengths", "overlap"]


def test_many_labels_are_cut_and_counted() -> None:
    docs = [tagged(["w"], tag=f"T{i}", ent="PER", chunk="NP") for i in range(70)]
    assert "60 of 70 labels are shown" in read(render_corpus_report({"train": describe(docs)}, title="")).shown


def test_empty_splits() -> None:
    page = render_corpus_report({"train": describe([]), "dev": describe(PLAIN)}, title="a corpus")
    assert "train 0 - 0 0 0 -" in read(page).shown
    assert read(render_corpus_report({"train": describe([])}, title="a corpus")).sections == ["splits", "lengths"]


def test_what_data_brings_is_never_markup() -> None:
    reader = read(evil_corpora())
    assert "script" not in {tag for tag, _ in reader.tags}
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)
    shown = "".join(reader.text)
    assert shown.count(EVIL) >= 10
    assert shown.count(QUOTE) >= 5
