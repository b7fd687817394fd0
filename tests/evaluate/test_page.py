"""The page: safe, alone, errors first."""

from __future__ import annotations

import re

import pytest
import spacy
from spacy.training import Example

from spacy_llama_ner.evaluate.page import render_page
from spacy_llama_ner.evaluate.scorer import seqeval_score

from .reader import read
from .report.pages import EVIL, IDA, NOON, TOMAS
from .sample import make_example

NLP = spacy.blank("en")


def page_of(*examples: Example, limit: int | None = None) -> str:
    return render_page(examples, seqeval_score(examples), title="a model on a corpus", limit=limit)


RIGHT = make_example(NLP, "Call Ida Holm.", gold=[IDA], predicted=[IDA], scores=[0.875])
WRONG = make_example(NLP, "Wake Tomas at noon!", gold=[TOMAS, NOON], predicted=[TOMAS, ("noon", "DATE")])
MISSED = make_example(NLP, "Is Tomas in?", gold=[TOMAS], predicted=[])


def test_predictions_stand_beside_gold() -> None:
    text = " ".join(" ".join(read(page_of(WRONG)).text).split())
    assert text.endswith("Predicted Wake Tomas NAME at noon DATE ! Gold Wake Tomas NAME at noon TIME !")


def test_docs_with_errors_come_first_and_are_marked() -> None:
    page = page_of(RIGHT, WRONG, MISSED)
    assert re.findall(r'<article class="(\w+)">', page) == ["errors", "errors", "fine"]
    assert re.findall(r"<h3>(Doc \d)</h3>", page) == ["Doc 2", "Doc 3", "Doc 1"]
    assert re.findall(r'<span class="state">(.+?)</span>', page) == [
        "1 wrong, 1 missed",
        "1 missed",
        "all right",
    ]
    assert page.index("Docs with errors</h2>") < page.index("Docs without errors</h2>")


def test_entities_are_marked_by_verdict() -> None:
    verdicts = re.findall(r'<mark class="entity (\w+)"', page_of(WRONG))
    assert verdicts == ["right", "wrong", "right", "missed"]


def test_limit_keeps_errors_and_says_what_is_left_out() -> None:
    page = page_of(RIGHT, MISSED, WRONG, limit=1)
    assert re.findall(r"<h3>(Doc \d)</h3>", page) == ["Doc 2"]
    assert "1 of 3 docs are shown" in page
    assert page_of(RIGHT, MISSED, limit=2).count("docs are shown") == 0


def test_limit_does_not_change_the_scores() -> None:
    examples = (RIGHT, MISSED, WRONG)
    headline = re.compile(r"<dl.*?</table>", re.DOTALL)
    assert headline.findall(page_of(*examples)) == headline.findall(page_of(*examples, limit=1))


def test_headline_has_the_scores_in_total_and_by_label() -> None:
    page = page_of(RIGHT, WRONG)
    assert "<dt>F1, whole entities</dt><dd>66.67</dd>" in page
    assert "<dt>Docs with errors</dt><dd>1 of 2</dd>" in page
    rows = re.findall(r'<th scope="row">(?:<mark[^>]*>)?(\w+)', page)
    assert rows == ["all", "DATE", "NAME", "TIME"]


def test_probabilities_are_shown_where_there_are_any() -> None:
    assert "<small>0.88</small>" in page_of(RIGHT)
    assert "probability 0.875" in page_of(RIGHT)
    assert "<small>" not in page_of(WRONG)


def test_probabilities_come_from_the_groups_that_are_named() -> None:
    page = render_page([RIGHT], seqeval_score([RIGHT]), title="a model", spans_keys=["other"])
    assert "<small>" not in page
    own = render_page([RIGHT], seqeval_score([RIGHT]), title="a model", spans_keys=["other", "llama_ner"])
    assert "<small>0.88</small>" in own


@pytest.mark.parametrize("name", ["NAME", "TIME"])
def test_a_label_has_one_colour_on_the_whole_page_and_on_others(name: str) -> None:
    hue = re.compile(rf'--hue: (\d+)[^>]*>(?:[^<]*<span class="label">)?{name}<')
    pages = [page_of(RIGHT, WRONG), page_of(WRONG)]
    assert len({found for page in pages for found in hue.findall(page)}) == 1


def test_texts_labels_and_titles_are_escaped() -> None:
    text = f'Tell {EVIL} & "Bob" now'
    example = make_example(
        NLP, text, gold=[(EVIL, EVIL)], predicted=[("Tell", 'x" onclick="go()'), (EVIL, "</mark>{label}")]
    )
    example.reference.user_data["title"] = EVIL
    page = render_page([example], seqeval_score([example]), title=EVIL)
    reader = read(page)
    assert not {"script", "a", "img"} & {tag for tag, _ in reader.tags}
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)
    shown = "".join(reader.text)
    assert f'{EVIL} & "Bob" now' in shown
    assert 'x" onclick="go()' in shown
    assert "</mark>{label}" in shown
    # page title (twice), doc title, label in the table, label and text of the gold entity, predicted text
    assert shown.count(EVIL) == 7


def test_braces_and_percent_signs_stay_as_they_are() -> None:
    text = "{title} %s {0} ${x} \\1"
    assert text in "".join(read(page_of(make_example(NLP, text, gold=[], predicted=[]))).text)


def test_white_space_is_kept() -> None:
    example = make_example(NLP, "a  b\n\nTomas", gold=[TOMAS], predicted=[])
    assert "a  b<br><br>" in page_of(example)
    assert re.search(r"\.entities \{[^}]*white-space: pre-wrap", page_of(example))


def test_nothing_is_asked_of_the_network() -> None:
    page = page_of(RIGHT, WRONG, MISSED)
    assert not re.search(r"https?:|//|url\(|@import|\ssrc=|\shref=", page)
    tags = {tag for tag, _ in read(page).tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "a", "form", "base"}
    assert "default-src 'none'" in page


def test_light_and_dark() -> None:
    page = page_of(RIGHT)
    assert "color-scheme: light dark" in page
    assert "@media (prefers-color-scheme: dark)" in page


def test_right_to_left_scripts_are_set_so() -> None:
    example = make_example(spacy.blank("ar"), "اتصل بي غدا", gold=[("غدا", "DATE")], predicted=[])
    assert page_of(example).count("direction: rtl") == 2


def test_a_doc_of_white_space_alone() -> None:
    assert page_of(make_example(NLP, " \n ", gold=[], predicted=[])).count("no text") == 2


def test_docs_without_gold_annotation_are_not_called_right() -> None:
    example = make_example(NLP, "Call Ida Holm.", gold=[], predicted=[IDA])
    example.reference = NLP.make_doc("Call Ida Holm.")
    page = page_of(RIGHT, example)
    assert 'class="state">1 not judged<' in page
    assert "F1, whole entities</dt><dd>100.00" in page


def test_one_page_is_made_twice_alike() -> None:
    assert page_of(RIGHT, WRONG) == page_of(RIGHT, WRONG)
