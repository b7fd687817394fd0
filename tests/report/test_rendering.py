"""Templates that escape, texts cut at their entities, and colours of labels."""

from __future__ import annotations

import re
from itertools import combinations, pairwise, permutations
from pathlib import Path

from spacy_llama_ner.evaluate.matching import Judged
from spacy_llama_ner.report import rendering
from spacy_llama_ner.report.rendering import label_hues, render, split_at_entities
from tests.report.html_reader import read

TEMPLATES = sorted((Path(rendering.__file__).parent / "templates").iterdir())


def test_all_that_a_template_is_given_is_escaped() -> None:
    evil = '<script src="x">'
    page = render(
        "active", heading=evil, title=evil, charts=[], header=[evil, evil], rows=[(evil, evil), (evil, 7)], note=evil
    )
    reader = read(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert "".join(reader.text).count(evil) == 9


def test_no_template_switches_escaping_off() -> None:
    assert len(TEMPLATES) > 8
    for file in TEMPLATES:
        assert not re.search(r"\|\s*safe|autoescape|<script", file.read_text(encoding="utf8")), file.name


def test_a_text_is_cut_at_its_entities() -> None:
    ida, noon = (Judged(start, end, "X", "right", None) for start, end in ((5, 8), (12, 16)))
    pieces = split_at_entities("Call Ida at noon", [ida, noon])
    assert pieces == [("Call ", None), ("Ida", ida), (" at ", None), ("noon", noon), ("", None)]
    assert split_at_entities("Yes", []) == [("Yes", None)]


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
