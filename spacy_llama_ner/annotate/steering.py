"""What each question asks for, so that texts differ in topic, length, form and entities."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .chat import Question
from .formats.base import object_schema
from .prompts import load_template, messages
from .recipe import Recipe

TOPICS = 24
TOKENS_A_TEXT = 300
TOKENS_A_TOPIC = 40
STRINGS = {"type": "array", "items": {"type": "string"}}


@dataclass(frozen=True)
class Order:
    """What the texts of one question shall be.

    wanted: labels of which each text has at least one; none for texts without any entity.
    """

    number: int
    topic: str
    form: str
    length: str
    wanted: tuple[str, ...]


def make_order(recipe: Recipe, topics: Sequence[str], number: int) -> Order:
    """The order with this number, from 0: the same in every process.

    Topics, and the label that must be there, take turns; form, length and further labels fall by lot. Orders for
    texts without entities come evenly spread.
    """
    # a string seeds by its SHA-512, the same in every process
    lot = random.Random(f"{recipe.seed} {number}")
    labels = list(recipe.labels)
    first = labels[number % len(labels)]
    others = lot.sample([label for label in labels if label != first], k=min(len(labels) - 1, lot.randint(0, 2)))
    is_negative = int((number + 1) * recipe.negatives) > int(number * recipe.negatives)
    return Order(
        number=number,
        topic=_in_turn(topics, number, recipe.seed),
        form=lot.choice(recipe.forms),
        length=lot.choice(recipe.lengths),
        wanted=() if is_negative else (first, *others),
    )


def texts_question(recipe: Recipe, order: Order) -> Question:
    """The question for the texts of an order. Raises: PromptError."""
    said = messages(
        load_template("generate"),
        labels=recipe.labels,
        count=recipe.batch,
        domain=recipe.domain,
        style=recipe.style,
        language=recipe.language,
        topic=order.topic,
        form=order.form,
        length=order.length,
        wanted=order.wanted,
    )
    return Question(
        messages=said,
        schema=object_schema(texts=STRINGS),
        max_tokens=TOKENS_A_TEXT * recipe.batch,
        text=f"texts {order.number}",
        temperature=recipe.temperature,
    )


def topics_question(recipe: Recipe) -> Question:
    """The question for topics. Raises: PromptError."""
    return Question(
        messages=messages(load_template("topics"), count=TOPICS, domain=recipe.domain),
        schema=object_schema(topics=STRINGS),
        max_tokens=TOKENS_A_TOPIC * TOPICS,
        text=f"topics {recipe.seed}",
        temperature=recipe.temperature,
    )


def _in_turn(topics: Sequence[str], number: int, seed: int) -> str:
    """All topics one after the other, each round in another order, so that each meets every label."""
    if not topics:
        return ""
    of_round = random.Random(f"{seed} topics {number // len(topics)}").sample(topics, k=len(topics))
    return of_round[number % len(topics)]
