"""Labelled texts out of nothing but labels: orders, questions, checks, until there are enough."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import ceil
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..data.files import atomic_write
from ..training.corpus import draw
from .backends.base import Question, Reject, Reply
from .formats.base import object_schema
from .labelling import FAILED, SECTION, LabelError, labels_of, read_config
from .prompts import load_template, messages
from .runner import PromptJob, Runner
from .validation import TextValidator, read_list

GENERATE = "generate"
LENGTHS = ("one short sentence", "one or two sentences", "three to five sentences")
FORMS = (
    "a plain statement",
    "a question or a request",
    "a chat message, typed in haste, with little punctuation",
    "a polite e-mail",
    "a note or an entry of a list",
    "spoken words, written down",
)


class RecipeError(LabelError):
    """A config that texts cannot be made from."""


@dataclass(frozen=True)
class Recipe:
    """The section `[generate]`; every setting has a default.

    labels: descriptions, which may be empty, by label: the section `[labels]`.
    count: how many records are wanted.
    domain: what the texts are about; style: how they are written. Both in plain words.
    language: whose tokenizer cuts the texts, and in which the model is asked to write (`nlp.lang`).
    dev: share of the records for the dev split.
    negatives: share of the texts that are to have no entity at all.
    batch: how many texts one question asks for.
    topics: what the texts take turns at; where none are given, the model is asked for 24.
    lengths, forms: what the texts take turns at besides.
    temperature: of the model.
    seed: of all choices.
    """

    labels: Mapping[str, str]
    count: int = 200
    domain: str = ""
    style: str = ""
    language: str = "en"
    dev: float = 0.1
    negatives: float = 0.15
    batch: int = 8
    topics: tuple[str, ...] = ()
    lengths: tuple[str, ...] = LENGTHS
    forms: tuple[str, ...] = FORMS
    temperature: float = 1.0
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    """The recipe in a config file. Raises: LabelError where it cannot be read or something in it does not fit."""
    config = read_config(path)
    section = config.get(GENERATE, {})
    known = {field.name: field.default for field in fields(Recipe) if field.name != SECTION}
    for name, value in [(name, None) for name in config if name not in (SECTION, GENERATE)] + list(section.items()):
        if name not in known:
            raise RecipeError(f"The config {path} has {name!r}, which is not known. Known are: {', '.join(known)}.")
        _check(name, value, known[name])
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in section.items()
    }
    return Recipe(labels=labels_of(config), **chosen)


def _check(name: str, value: Any, default: Any) -> None:
    share = name in ("dev", "negatives")
    match default:
        case tuple():
            fits = isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
            fits, expected = fits and bool(value or not default), 'a list such as ["one", "another"]'
        case str():
            fits, expected = isinstance(value, str), "a text in double quotes"
        case float():
            fits = isinstance(value, int | float) and 0 <= value <= (0.9 if share else 2)
            expected = "a number from 0 to " + ("0.9" if share else "2")
        case _:
            least = 0 if name == "seed" else 1
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
            expected = f"a whole number from {least} on"
    if not fits:
        raise RecipeError(f"`{name}` in [{GENERATE}] is {value!r}; expected is {expected}.")


TOPICS = 24
TOKENS_A_TEXT = 300
TOKENS_A_TOPIC = 40
STRINGS = {"type": "array", "items": {"type": "string"}}


@dataclass(frozen=True)
class GenerationSpec:
    """What the texts of one question shall be.

    wanted: labels of which each text has at least one; none for texts without any entity.
    """

    number: int
    topic: str
    form: str
    length: str
    wanted: tuple[str, ...]


def make_spec(recipe: Recipe, topics: Sequence[str], number: int) -> GenerationSpec:
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
    return GenerationSpec(
        number=number,
        topic=_in_turn(topics, number, recipe.seed),
        form=lot.choice(recipe.forms),
        length=lot.choice(recipe.lengths),
        wanted=() if is_negative else (first, *others),
    )


def texts_question(recipe: Recipe, order: GenerationSpec) -> Question:
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


# questions may be this many times as many as would do if every text were good
PATIENCE = 3
WORST_YIELD = 0.3


@dataclass
class SyntheticDoc:
    """What came out: docs that are good, and what was rejected, with the number of its question, from 1, and why.

    unanswered: questions without a usable reply, in the same form.
    """

    docs: list[Doc] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unanswered: list[dict[str, Any]] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """How often each reason came up, the most frequent first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())


def ask_topics(recipe: Recipe, run: Runner) -> list[str]:
    """Topics of the recipe or, where it has none, of the model; none where it cannot name any."""
    if recipe.topics:
        return list(recipe.topics)
    run.progress.expect(1)
    (outcome,) = run.answers([PromptJob(topics_question(recipe), _read_topics)])
    return outcome.value or []


def generate(recipe: Recipe, nlp: Language, run: Runner, topics: Sequence[str]) -> SyntheticDoc:
    """Ask for texts, in rounds, until `recipe.count` are good, or three times the questions have been asked.

    The same replies give the same result, however often the run was interrupted.
    Raises: Refused and OSError as `Runner.answers`, PromptError.
    """
    written, checker = SyntheticDoc(), TextValidator(nlp, recipe.labels)
    most = PATIENCE * ceil(recipe.count / recipe.batch)
    asked, offered = 0, 0
    while len(written.docs) < recipe.count and asked < most:
        share = max(WORST_YIELD, len(written.docs) / offered) if offered else 1
        missing = recipe.count - len(written.docs)
        number = min(most - asked, ceil(missing / share / recipe.batch))
        orders = [make_spec(recipe, topics, i) for i in range(asked, asked + number)]
        run.progress.expect(number)
        for order, outcome in zip(orders, run.answers(_job(recipe, order) for order in orders), strict=True):
            if outcome.value is None:
                row = {"question": order.number + 1, "reason": FAILED, "detail": outcome.failure, "record": None}
                written.unanswered.append(row)
            for given in outcome.value or ():
                offered += 1
                if len(written.docs) < recipe.count:
                    _take(given, order, checker, written)
        asked += number
    return written


def split(docs: Sequence[Doc], recipe: Recipe) -> dict[str, list[Doc]]:
    """The docs of each split, in their order: dev has its share of every mixture of labels."""
    if not recipe.dev or len(docs) < 2:
        return {"train": list(docs), "dev": []}
    strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
    dev = set(draw(strata, recipe.dev, recipe.seed))
    return {
        "train": [doc for i, doc in enumerate(docs) if i not in dev],
        "dev": [doc for i, doc in enumerate(docs) if i in dev],
    }


def write_records(docs: Sequence[Doc], path: Path) -> None:
    """Write docs as a JSON list of records, one a line, that `data.requests` reads back as they are."""
    rows = [json.dumps(_record(doc), ensure_ascii=False) for doc in docs]
    with atomic_write(path) as partial:
        partial.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf8")


def _record(doc: Doc) -> dict[str, Any]:
    entities = [
        {"text": ent.text, "label": ent.label_, "start": ent.start_char, "end": ent.end_char} for ent in doc.ents
    ]
    return {"text": doc.text, "entities": entities}


def _job(recipe: Recipe, order: GenerationSpec) -> PromptJob[list[object]]:
    return PromptJob(texts_question(recipe, order), lambda reply: read_list(reply.text))


def _read_topics(reply: Reply) -> list[str]:
    topics = [item.strip() for item in read_list(reply.text) if isinstance(item, str) and item.strip()]
    if not topics:
        raise Reject("no topics", repr(reply.text[:80]))
    return list(dict.fromkeys(topics))


def _shown(given: object) -> str:
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text.encode("utf8", "replace").decode()


def _take(given: object, order: GenerationSpec, checker: TextValidator, written: SyntheticDoc) -> None:
    try:
        written.docs.append(checker.check(given, with_entities=bool(order.wanted)))
    except Reject as reject:
        row = {"question": order.number + 1, "reason": reject.reason, "detail": str(reject), "record": _shown(given)}
        written.rejects.append(row)
