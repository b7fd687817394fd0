"""Colours of labels."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

from spacy_llama_ner.report.rendering import label_hues


def test_labels_of_one_corpus_have_colours_far_from_each_other() -> None:
    for labels in (["DATE", "EMAIL", "NAME", "TIME"], ["LOC", "MISC", "ORG", "PER"]):
        hues = sorted(label_hues(labels).values())
        assert min(following - hue for hue, following in pairwise(hues)) > 35


def test_a_label_whose_colour_is_taken_gets_one_far_from_it() -> None:
    hue = {label: label_hues([label])[label] for label in (f"LABEL_{i}" for i in range(20))}
    one, other = next(pair for pair in combinations(hue, 2) if hue[pair[0]] == hue[pair[1]])
    both = label_hues([one, other])
    assert both[one] == hue[one] and abs(both[one] - both[other]) > 35


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
