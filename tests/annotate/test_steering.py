"""Orders differ from each other, and are the same every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from spacy_llama_ner.annotate.recipe import Recipe
from spacy_llama_ner.annotate.steering import make_order, texts_question, topics_question

RECIPE = Recipe(labels={"NAME": "", "DATE": "", "TIME": ""}, negatives=0.2)
TOPICS = ["lunch", "a meeting", "sports"]
ORDERS = [make_order(RECIPE, TOPICS, i) for i in range(300)]


def test_topics_labels_forms_and_lengths_come_in_equal_shares() -> None:
    assert set(Counter(order.topic for order in ORDERS).values()) == {100}
    positive = [order for order in ORDERS if order.wanted]
    assert min(Counter(label for order in positive for label in order.wanted).values()) > 100
    assert set(Counter(order.form for order in ORDERS)) == set(RECIPE.forms)
    assert set(Counter(order.length for order in ORDERS)) == set(RECIPE.lengths)
    assert {(order.topic, order.wanted[0]) for order in positive} == {
        (t, label) for t in TOPICS for label in RECIPE.labels
    }


def test_texts_without_entities_come_evenly_spread() -> None:
    negative = [order.number for order in ORDERS if not order.wanted]
    assert len(negative) == 60
    assert {b - a for a, b in pairwise(negative)} == {5}
    assert all(make_order(replace(RECIPE, negatives=0.0), TOPICS, i).wanted for i in range(50))


def test_no_label_is_wanted_twice() -> None:
    assert all(len(set(order.wanted)) == len(order.wanted) for order in ORDERS)
    assert make_order(replace(RECIPE, labels={"NAME": ""}), TOPICS, 1).wanted == ("NAME",)


def test_an_order_is_the_same_in_every_process_and_another_for_another_seed() -> None:
    assert make_order(RECIPE, TOPICS, 7) == make_order(RECIPE, TOPICS, 7)
    assert [make_order(replace(RECIPE, seed=1), TOPICS, i) for i in range(300)] != ORDERS
    order = make_order(RECIPE, TOPICS, 0)
    assert (order.topic, order.wanted) == ("sports", ("NAME", "TIME"))


def test_the_question_says_all_of_it() -> None:
    recipe = replace(RECIPE, domain="an office", style="curt", batch=5, language="de")
    order = make_order(recipe, TOPICS, 0)
    question = texts_question(recipe, order)
    said = question.messages[-1].content
    for part in (
        "5 texts",
        "an office",
        "curt",
        order.topic,
        order.form,
        order.length,
        *order.wanted,
        "Language: de",
    ):
        assert part in said
    negative = texts_question(recipe, replace(order, wanted=())).messages[-1].content
    assert "None of the texts has an entity" in negative
    assert texts_question(recipe, make_order(recipe, TOPICS, 1)).key("m") != question.key("m")
    assert question.temperature == 1.0


def test_without_topics_the_model_is_asked_for_some() -> None:
    assert "24 topics" in topics_question(RECIPE).messages[-1].content
    assert make_order(RECIPE, [], 0).topic == ""
    assert "Topic" not in texts_question(RECIPE, make_order(RECIPE, [], 0)).messages[-1].content
