"""The report of a pipeline, and its predictions beside gold."""

from __future__ import annotations

import re

import pytest
import spacy
from spacy.training import Example

from spacy_llama_ner.evaluate.learning_curves import Point
from spacy_llama_ner.evaluate.scorer import seqeval_score
from spacy_llama_ner.report import render_pipeline_report, render_predictions
from tests.evaluate.sample import make_example
from tests.report.html_reader import read
from tests.report.pages import EVIL, IDA, MISSED, NLP, NOON, QUOTE, RIGHT, TOMAS, WRONG, curve, evil_report, report_of

# as WRONG, from a pipeline without scores
UNSCORED = make_example(NLP, "Wake Tomas at noon!", gold=[TOMAS, NOON], predicted=[TOMAS, ("noon", "DATE")])
ALWAYS = ["scores", "confusion", "kinds", "length", "reliability", "sentences"]


def page_of(*examples: Example, limit: int | None = None) -> str:
    return render_predictions(examples, seqeval_score(examples), title="a model on a corpus", limit=limit)


def section(page: str, key: str) -> str:
    """The text of one section."""
    found = re.search(rf'<section id="{key}">(.*?)</section>\s*(<section id=|</main>)', page, re.DOTALL)
    assert found
    return read(found[1]).shown


def test_sections_that_need_more_are_there_only_with_it() -> None:
    assert read(report_of(RIGHT)).sections == ALWAYS
    full = report_of(RIGHT, points=curve(0.5), mentions={IDA})
    assert read(full).sections == [
        "scores",
        "curves",
        "confusion",
        "kinds",
        "length",
        "seen",
        "reliability",
        "sentences",
    ]


def test_links_lead_to_every_section() -> None:
    reader = read(report_of(RIGHT, points=curve(0.5), mentions=set()))
    links = [attrs["href"] for tag, attrs in reader.tags if tag == "a"]
    assert links == [f"#{name}" for name in reader.sections]


def test_scores_by_type() -> None:
    told = section(report_of(RIGHT, WRONG), "scores")
    assert "F1, whole entities 66.67" in told
    assert "P R F1 gold all 66.67 66.67 66.67 3 DATE 0.00 0.00 0.00 0 NAME 100.00 100.00 100.00 2" in told


def test_confusion_between_types() -> None:
    told = section(report_of(RIGHT, WRONG, MISSED), "confusion")
    # predicted: DATE, NAME, TIME, missed
    assert "DATE NAME TIME missed DATE 0 0 0 0 NAME 0 2 0 1 TIME 1 0 0 0 spurious 0 0 0" in told


def test_kinds_of_errors() -> None:
    told = section(report_of(RIGHT, WRONG, MISSED), "kinds")
    heads = "correct wrong boundary, right type right boundary, wrong type both wrong missed spurious all errors"
    assert f"{heads} all 2 0 1 0 1 0 NAME 2 0 0 0 1 0 TIME 0 0 1 0 0 0" in told


def test_scores_by_length() -> None:
    told = section(report_of(RIGHT, WRONG, MISSED), "length")
    assert "F1, 0 to 100 1 50.00 33.33 40.00 3 2 2 100.00 100.00 100.00 1 1" in told


def test_scores_of_seen_entities() -> None:
    told = section(report_of(RIGHT, MISSED, mentions={TOMAS}), "seen")
    assert "seen - 0.00 0.00 1 0 unseen 100.00 100.00 100.00 1 1" in told


def test_reliability_of_the_scores() -> None:
    told = section(report_of(RIGHT, WRONG), "reliability")
    # three bins of one entity each
    error = (abs(0.875 - 1) + abs(0.75 - 1) + abs(0.5 - 0)) / 3
    assert f"component of llama_ner Expected calibration error, %, 0 is best {100 * error:.2f}" in told
    assert "0.4 to 0.5 0 - - 0.5 to 0.6 1 0.500 0.00" in told
    assert "0.8 to 0.9 1 0.875 100.00" in told


def test_a_diagram_for_each_component_with_scores() -> None:
    told = section(report_of(RIGHT, groups=["llama_ner", "own"]), "reliability")
    assert "component of own No entity was predicted that can be judged." in told
    assert "No component of this pipeline" in section(report_of(RIGHT, groups=[]), "reliability")


def test_components_that_share_a_group_share_a_diagram() -> None:
    shared = {"people": "llama_ner", "places": "llama_ner"}
    page = render_pipeline_report([RIGHT], seqeval_score([RIGHT]), title="a model", limit=0, groups=shared)
    assert re.findall("<h3>(.*)</h3>", page) == ["people, places"]


def test_the_worst_sentences_come_first_and_the_others_are_counted() -> None:
    page = report_of(MISSED, RIGHT, WRONG, limit=1)
    told = section(page, "sentences")
    assert "1 of 2 sentences with errors are shown, 1 left out." in told
    assert re.findall(r"<h3>(Doc \d)</h3>", page) == ["Doc 3"]
    assert told.endswith("Predicted Wake Tomas NAME 0.75 at noon DATE 0.50 ! Gold Wake Tomas NAME at noon TIME !")
    assert "left out" not in report_of(MISSED, RIGHT, WRONG, limit=2)


def test_no_errors_at_all() -> None:
    page = report_of(RIGHT)
    assert "No sentence has an error." in section(page, "sentences")
    assert "<article" not in page


def test_no_predictions_at_all() -> None:
    told = report_of(MISSED, mentions=set())
    assert "NAME 0 1" in section(told, "confusion")


@pytest.mark.parametrize("points", [curve(None), curve(0.5), curve(0.5, None, 0.75)])
def test_learning_curves_with_gaps(points: list[Point]) -> None:
    told = section(report_of(RIGHT, points=points), "curves")
    assert f"{len(points)} evaluation" in told
    assert ("F1, %, whole entities" in told) == (len(points) > 1 or bool(points[0].dev.values))


def test_the_best_evaluation_is_named() -> None:
    page = report_of(RIGHT, points=curve(0.5, 0.75, 0.625))
    assert "Dev F1 is best at step 100 (ringed): 75.00." in section(page, "curves")
    assert page.count('class="ring"') == 1


def test_what_ended_the_training_is_told() -> None:
    told = section(report_of(RIGHT, points=curve(0.5, 0.75, 0.625, max_steps=200, patience=200)), "curves")
    assert "The training ended with its last step, 200." in told
    # both at once: there was no step left to wait for
    told = section(report_of(RIGHT, points=curve(0.5, 0.75, 0.625, 0.5, max_steps=300, patience=200)), "curves")
    assert "The training ended with its last step, 300." in told and "which ended" not in told
    told = section(report_of(RIGHT, points=curve(0.5, 0.75, 0.625, 0.5, max_steps=900, patience=200)), "curves")
    assert "It had not risen for 200 steps, which ended the training." in told
    told = section(report_of(RIGHT, points=curve(0.5, 0.75, 0.625, max_steps=900, patience=200)), "curves")
    assert "ended" not in told


def test_the_curves_of_another_training_stand_beside() -> None:
    page = report_of(RIGHT, points=curve(0.5, 0.75), others={"causal": curve(0.25, 0.5)})
    told = section(page, "curves")
    measured = "2 evaluations, the last at step 100, in pass 1 over the data, after 1.0 minutes."
    assert f"unmasked: {measured} Dev F1 is best at step 100 (ringed): 75.00." in told
    assert f"causal: {measured} Dev F1 is best at step 100: 50.00." in told
    # train and dev of both, in each of the two charts that the curves have figures for
    names = [f"{run} {split}" for run in ("unmasked", "causal") for split in ("train", "dev")]
    assert [page.count(f">{name}</li>") for name in names] == [2, 2, 2, 2]
    assert page.count(">dev</li>") == 0


def test_a_curve_alone_is_not_named() -> None:
    page = report_of(RIGHT, points=curve(0.5, 0.75))
    assert page.count(">dev</li>") == 2 and "unmasked" not in page


def test_of_two_curves_only_the_own_best_is_ringed() -> None:
    page = report_of(RIGHT, points=curve(0.5, 0.75), others={"causal": curve(0.25, 0.5)})
    assert page.count('class="ring"') == 1


def test_charts_of_one_training_say_which_where_there_are_two() -> None:
    alone = section(report_of(RIGHT, points=curve(0.5, 0.75)), "curves")
    beside = section(report_of(RIGHT, points=curve(0.5, 0.75), others={"causal": curve(0.25, 0.5)}), "curves")
    for title in ("F1 on dev by type, %", "Loss of NAME in training, per step"):
        assert title in alone and f"{title}, unmasked" in beside
    assert "unmasked" not in alone


def test_the_training_loss_is_that_of_a_step() -> None:
    # sums of one step, and of a hundred twice
    told = section(report_of(RIGHT, points=curve(0.5, 0.75, 0.5)), "curves")
    assert "NAME, step 0: 9 NAME, step 100: 0.08 NAME, step 200: 0.07" in told


def test_axes_that_cut_off_the_beginning_say_so() -> None:
    few, many = curve(*[0.5] * 2), curve(*[0.5] * 3)
    assert "cut off" not in section(report_of(RIGHT, points=few), "curves")
    assert "may be cut off" in section(report_of(RIGHT, points=many), "curves")


def test_what_data_brings_is_never_markup() -> None:
    page = evil_report()
    reader = read(page)
    assert not {"script", "img"} & {tag for tag, _ in reader.tags}
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)
    shown = "".join(reader.text)
    assert f'{EVIL} & "Bob" now' in shown
    # title, heading of a component, label in five tables, label and text in gold, text in predicted, title of the doc
    assert shown.count(EVIL) >= 10
    assert shown.count(QUOTE) >= 5
    assert "</mark>{label}" in shown


def test_the_report_asks_nothing_of_the_network() -> None:
    page = report_of(RIGHT, WRONG, points=curve(0.5, 0.75), mentions={IDA})
    assert not re.search(r'https?:|//|url\(|@import|\ssrc=|href="[^#]', page)
    assert "default-src 'none'" in page


def test_the_report_is_made_twice_alike() -> None:
    assert report_of(RIGHT, WRONG) == report_of(RIGHT, WRONG)


def test_predictions_stand_beside_gold() -> None:
    text = " ".join(" ".join(read(page_of(UNSCORED)).text).split())
    assert text.endswith("Predicted Wake Tomas NAME at noon DATE ! Gold Wake Tomas NAME at noon TIME !")


def test_docs_with_errors_come_first_and_are_marked() -> None:
    page = page_of(RIGHT, UNSCORED, MISSED)
    assert re.findall(r'<article class="(\w+)">', page) == ["errors", "errors", "fine"]
    assert re.findall(r"<h3>(Doc \d)</h3>", page) == ["Doc 2", "Doc 3", "Doc 1"]
    assert re.findall(r'<span class="state">(.+?)</span>', page) == [
        "1 wrong, 1 missed",
        "1 missed",
        "all right",
    ]
    assert page.index("Docs with errors</h2>") < page.index("Docs without errors</h2>")


def test_entities_are_marked_by_verdict() -> None:
    verdicts = re.findall(r'<mark class="entity (\w+)"', page_of(UNSCORED))
    assert verdicts == ["right", "wrong", "right", "missed"]


def test_limit_keeps_errors_and_says_what_is_left_out() -> None:
    page = page_of(RIGHT, MISSED, UNSCORED, limit=1)
    assert re.findall(r"<h3>(Doc \d)</h3>", page) == ["Doc 2"]
    assert "1 of 3 docs are shown" in page
    assert page_of(RIGHT, MISSED, limit=2).count("docs are shown") == 0


def test_limit_does_not_change_the_scores() -> None:
    examples = (RIGHT, MISSED, UNSCORED)
    headline = re.compile(r"<dl.*?</table>", re.DOTALL)
    assert headline.findall(page_of(*examples)) == headline.findall(page_of(*examples, limit=1))


def test_headline_has_the_scores_in_total_and_by_label() -> None:
    page = page_of(RIGHT, UNSCORED)
    assert "<dt>F1, whole entities</dt><dd>66.67</dd>" in page
    assert "<dt>Docs with errors</dt><dd>1 of 2</dd>" in page
    rows = re.findall(r'<th scope="row">(?:<mark[^>]*>)?(\w+)', page)
    assert rows == ["all", "DATE", "NAME", "TIME"]


def test_probabilities_are_shown_where_there_are_any() -> None:
    assert "<small>0.88</small>" in page_of(RIGHT)
    assert "probability 0.875" in page_of(RIGHT)
    assert "<small>" not in page_of(UNSCORED)


def test_probabilities_come_from_the_groups_that_are_named() -> None:
    page = render_predictions([RIGHT], seqeval_score([RIGHT]), title="a model", spans_keys=["other"])
    assert "<small>" not in page
    own = render_predictions([RIGHT], seqeval_score([RIGHT]), title="a model", spans_keys=["other", "llama_ner"])
    assert "<small>0.88</small>" in own


@pytest.mark.parametrize("name", ["NAME", "TIME"])
def test_a_label_has_one_colour_on_the_whole_page_and_on_others(name: str) -> None:
    hue = re.compile(rf'--hue: (\d+)[^>]*>(?:[^<]*<span class="label">)?{name}<')
    pages = [page_of(RIGHT, UNSCORED), page_of(UNSCORED)]
    assert len({found for page in pages for found in hue.findall(page)}) == 1


def test_texts_labels_and_titles_are_escaped() -> None:
    text = f'Tell {EVIL} & "Bob" now'
    example = make_example(
        NLP, text, gold=[(EVIL, EVIL)], predicted=[("Tell", 'x" onclick="go()'), (EVIL, "</mark>{label}")]
    )
    example.reference.user_data["title"] = EVIL
    page = render_predictions([example], seqeval_score([example]), title=EVIL)
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


def test_the_page_of_predictions_asks_nothing_of_the_network() -> None:
    page = page_of(RIGHT, UNSCORED, MISSED)
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


def test_the_page_of_predictions_is_made_twice_alike() -> None:
    assert page_of(RIGHT, UNSCORED) == page_of(RIGHT, UNSCORED)
