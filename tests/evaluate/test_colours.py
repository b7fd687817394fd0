"""Colours of labels."""

from __future__ import annotations

from itertools import permutations

from spacy_llama_ner.evaluate.colours import label_hues


def test_labels_of_one_corpus_have_colours_of_their_own() -> None:
    for labels in (["DATE", "EMAIL", "NAME", "TIME"], ["LOC", "MISC", "ORG", "PER"]):
        assert len(set(label_hues(labels).values())) == len(labels)


def test_a_label_keeps_its_colour_in_other_company() -> None:
    alone = {label: label_hues([label])[label] for label in ("DATE", "EMAIL", "NAME", "TIME")}
    for labels in permutations(alone):
        assert label_hues(labels) == alone


def test_a_colour_that_is_taken_is_not_given_twice_while_there_are_others() -> None:
    labels = [f"LABEL_{i}" for i in range(12)]
    assert len(set(label_hues(labels).values())) == 12


def test_more_labels_than_colours() -> None:
    labels = [f"LABEL_{i}" for i in range(40)]
    assert label_hues(labels).keys() == set(labels)
