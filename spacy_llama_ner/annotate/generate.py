"""Labelled texts out of nothing but labels: orders, questions, checks, until there are enough."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..data.files import written_whole
from ..data.stratified import draw
from .chat import Reject, Reply
from .jobs import Job
from .recipe import Recipe
from .run import Run
from .silver import FAILED
from .steering import Order, make_order, texts_question, topics_question
from .written import Checker, read_list

# questions may be this many times as many as would do if every text were good
PATIENCE = 3
WORST_YIELD = 0.3


@dataclass
class Written:
    """What came out: docs that are good, and what was rejected, with the number of its question, from 1, and why.

    unanswered: questions without a usable reply, in the same form.
    """

    docs: list[Doc] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unanswered: list[dict[str, Any]] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """How often each reason came up, the most frequent first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())


def ask_topics(recipe: Recipe, run: Run) -> list[str]:
    """Topics of the recipe or, where it has none, of the model; none where it cannot name any."""
    if recipe.topics:
        return list(recipe.topics)
    run.progress.expect(1)
    (outcome,) = run.answers([Job(topics_question(recipe), _read_topics)])
    return outcome.value or []


def generate(recipe: Recipe, nlp: Language, run: Run, topics: Sequence[str]) -> Written:
    """Ask for texts, in rounds, until `recipe.count` are good, or three times the questions have been asked.

    The same replies give the same result, however often the run was interrupted.
    Raises: Refused and OSError as `Run.answers`, PromptError.
    """
    written, checker = Written(), Checker(nlp, recipe.labels)
    most = PATIENCE * ceil(recipe.count / recipe.batch)
    asked, offered = 0, 0
    while len(written.docs) < recipe.count and asked < most:
        share = max(WORST_YIELD, len(written.docs) / offered) if offered else 1
        missing = recipe.count - len(written.docs)
        number = min(most - asked, ceil(missing / share / recipe.batch))
        orders = [make_order(recipe, topics, i) for i in range(asked, asked + number)]
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
    with written_whole(path) as partial:
        partial.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf8")


def _record(doc: Doc) -> dict[str, Any]:
    entities = [
        {"text": ent.text, "label": ent.label_, "start": ent.start_char, "end": ent.end_char} for ent in doc.ents
    ]
    return {"text": doc.text, "entities": entities}


def _job(recipe: Recipe, order: Order) -> Job[list[object]]:
    return Job(texts_question(recipe, order), lambda reply: read_list(reply.text))


def _read_topics(reply: Reply) -> list[str]:
    topics = [item.strip() for item in read_list(reply.text) if isinstance(item, str) and item.strip()]
    if not topics:
        raise Reject("no topics", repr(reply.text[:80]))
    return list(dict.fromkeys(topics))


def _shown(given: object) -> str:
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text.encode("utf8", "replace").decode()


def _take(given: object, order: Order, checker: Checker, written: Written) -> None:
    try:
        written.docs.append(checker.check(given, with_entities=bool(order.wanted)))
    except Reject as reject:
        row = {"question": order.number + 1, "reason": reject.reason, "detail": str(reject), "record": _shown(given)}
        written.rejects.append(row)
