"""Synthetic data from nothing but labels: a model writes texts to sampled specifications, and they are validated."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import ceil
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..data.files import atomic_write
from ..training.corpus import stratified_sample
from .backends.base import ChatRequest, RejectedReplyError, Reply
from .formats.base import object_schema
from .labelling import LABELS_SECTION, NO_USABLE_REPLY, LabelError, labels_from_config, read_yaml_config
from .prompts import load_template, render_messages
from .runner import PromptJob, Runner
from .validation import TextValidator, read_list

SECTION = "generate"
LENGTHS = ("one short sentence", "one or two sentences", "three to five sentences")
FORMS = (
    "a plain statement",
    "a question or a request",
    "a chat message, typed in haste, with little punctuation",
    "a polite e-mail",
    "a note or an entry of a list",
    "spoken words, written down",
)
N_TOPICS = 24
TOKENS_PER_TEXT = 300
TOKENS_PER_TOPIC = 40
STRING_LIST = {"type": "array", "items": {"type": "string"}}
# at most so many times the requests that would do if every text were good
MAX_REQUEST_FACTOR = 3
# the lowest share of good texts that the number of requests is planned for
MIN_YIELD = 0.3


class SynthesisConfigError(LabelError):
    """A config that no texts can be made from."""


@dataclass(frozen=True)
class SynthesisConfig:
    """The section `[generate]` of a config and its `[labels]`; every setting but the labels has a default.

    Attributes:
        labels: Descriptions by label, which may be empty: the section `[labels]`.
        count: How many records are wanted.
        domain: What the texts are about, in plain words.
        style: How they are written, in plain words.
        language: `nlp.lang` of the tokenizer, and the language in which the model is asked to write.
        dev: Share of the records for the dev split.
        negatives: Share of the texts that are to have no entity at all.
        batch: How many texts one request asks for.
        topics: Which the texts take in turns; where none are given, the model is asked for 24.
        lengths: One of which is drawn for the texts of a request.
        forms: Likewise.
        temperature: Of the model.
        seed: Of all random choices.
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


def read_synthesis_config(path: Path) -> SynthesisConfig:
    """Read a config file with the sections `[labels]` and, optionally, `[generate]`.

    Args:
        path: The file.

    Returns:
        The settings.

    Raises:
        LabelError: If the file cannot be read, or something in it does not fit.
    """
    config = read_yaml_config(path)
    section = config.get(SECTION, {})
    known = {field.name: field.default for field in fields(SynthesisConfig) if field.name != LABELS_SECTION}
    other_sections = [(name, None) for name in config if name not in (LABELS_SECTION, SECTION)]
    for name, value in [*other_sections, *section.items()]:
        if name not in known:
            raise SynthesisConfigError(
                f"The config {path} has {name!r}, which is not known. Known are: {', '.join(known)}."
            )
        _check_setting(name, value, known[name])
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in section.items()
    }
    return SynthesisConfig(labels=labels_from_config(config), **chosen)


def _check_setting(name: str, value: Any, default: Any) -> None:
    is_share = name in ("dev", "negatives")
    match default:
        case tuple():
            fits = isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
            fits, expected = fits and bool(value or not default), 'a list such as ["one", "another"]'
        case str():
            fits, expected = isinstance(value, str), "a text in double quotes"
        case float():
            fits = isinstance(value, int | float) and 0 <= value <= (0.9 if is_share else 2)
            expected = "a number from 0 to " + ("0.9" if is_share else "2")
        case _:
            least = 0 if name == "seed" else 1
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
            expected = f"a whole number from {least} on"
    if not fits:
        raise SynthesisConfigError(f"`{name}` in [{SECTION}] is {value!r}; expected is {expected}.")


@dataclass(frozen=True)
class GenerationSpec:
    """A sampled specification of the texts that one request asks for.

    Attributes:
        number: Of the request, from 0.
        topic: What the texts are about; empty where there are no topics.
        form: What kind of texts they are.
        length: How long they are.
        labels: Of which each text has at least one; none for texts without any entity.
    """

    number: int
    topic: str
    form: str
    length: str
    labels: tuple[str, ...]


def make_spec(config: SynthesisConfig, topics: Sequence[str], number: int) -> GenerationSpec:
    """Sample a specification: the same in every process.

    Topics, and the first label, take turns; form, length and further labels are random. Specifications without
    entities are evenly spread.

    Args:
        config: The settings.
        topics: Which the texts take in turns; may be empty.
        number: Of the request, from 0.

    Returns:
        The specification with this number.
    """
    # a string seeds by its SHA-512, the same in every process
    rng = random.Random(f"{config.seed} {number}")
    labels = list(config.labels)
    first = labels[number % len(labels)]
    others = rng.sample([label for label in labels if label != first], k=min(len(labels) - 1, rng.randint(0, 2)))
    is_negative = int((number + 1) * config.negatives) > int(number * config.negatives)
    return GenerationSpec(
        number=number,
        topic=_pick_topic(topics, number, config.seed),
        form=rng.choice(config.forms),
        length=rng.choice(config.lengths),
        labels=() if is_negative else (first, *others),
    )


def _pick_topic(topics: Sequence[str], number: int, seed: int) -> str:
    """Go through all topics, in another order each round, so that each meets every label."""
    if not topics:
        return ""
    order = random.Random(f"{seed} topics {number // len(topics)}").sample(topics, k=len(topics))
    return order[number % len(topics)]


def texts_request(config: SynthesisConfig, spec: GenerationSpec) -> ChatRequest:
    """Make the request for the texts of a specification.

    Args:
        config: The settings.
        spec: What the texts shall be.

    Returns:
        The request.
    """
    messages = render_messages(
        load_template("generate"),
        labels=config.labels,
        count=config.batch,
        domain=config.domain,
        style=config.style,
        language=config.language,
        topic=spec.topic,
        form=spec.form,
        length=spec.length,
        wanted=spec.labels,
    )
    return ChatRequest(
        messages=messages,
        schema=object_schema(texts=STRING_LIST),
        max_tokens=TOKENS_PER_TEXT * config.batch,
        text=f"texts {spec.number}",
        temperature=config.temperature,
    )


def topics_request(config: SynthesisConfig) -> ChatRequest:
    """Make the request for topics of the config's domain."""
    return ChatRequest(
        messages=render_messages(load_template("topics"), count=N_TOPICS, domain=config.domain),
        schema=object_schema(topics=STRING_LIST),
        max_tokens=TOKENS_PER_TOPIC * N_TOPICS,
        text=f"topics {config.seed}",
        temperature=config.temperature,
    )


def get_topics(config: SynthesisConfig, runner: Runner) -> list[str]:
    """Return the topics of the config or, where it has none, of the model.

    Args:
        config: The settings.
        runner: Asks the model.

    Returns:
        The topics; none where the model cannot name any.

    Raises:
        BackendRefusedError: See `Runner.run`.
        OSError: likewise.
    """
    if config.topics:
        return list(config.topics)
    runner.progress.add_total(1)
    (outcome,) = runner.run([PromptJob(topics_request(config), _parse_topics)])
    return outcome.value or []


def _parse_topics(reply: Reply) -> list[str]:
    topics = [item.strip() for item in read_list(reply.text) if isinstance(item, str) and item.strip()]
    if not topics:
        raise RejectedReplyError("no topics", repr(reply.text[:80]))
    return list(dict.fromkeys(topics))


@dataclass
class SynthesisResult:
    """What the model has written.

    Attributes:
        docs: The good texts.
        rejects: The others: `question`, the number of the request from 1, `reason`, `detail` and `record`, the text
            as the model gave it.
        unanswered: Requests without a usable reply, in the same form, without a record.
    """

    docs: list[Doc] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unanswered: list[dict[str, Any]] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """Count the rejects by reason, the most frequent first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())


def generate_docs(config: SynthesisConfig, nlp: Language, runner: Runner, topics: Sequence[str]) -> SynthesisResult:
    """Ask for texts, in rounds, until there are enough, or three times as many requests as would have been enough.

    The same replies give the same result, however often the run was interrupted.

    Args:
        config: The settings.
        nlp: Its tokenizer is used.
        runner: Asks the model.
        topics: See `get_topics`.

    Returns:
        At most `config.count` docs, and what was rejected.

    Raises:
        BackendRefusedError: See `Runner.run`.
        OSError: likewise.
    """
    result, validator = SynthesisResult(), TextValidator(nlp, config.labels)
    max_requests = MAX_REQUEST_FACTOR * ceil(config.count / config.batch)
    n_requests, n_texts = 0, 0
    while len(result.docs) < config.count and n_requests < max_requests:
        expected_yield = max(MIN_YIELD, len(result.docs) / n_texts) if n_texts else 1
        missing = config.count - len(result.docs)
        n_new = min(max_requests - n_requests, ceil(missing / expected_yield / config.batch))
        specs = [make_spec(config, topics, i) for i in range(n_requests, n_requests + n_new)]
        runner.progress.add_total(n_new)
        jobs: Iterable[PromptJob[list[object]]] = (
            PromptJob(texts_request(config, spec), lambda reply: read_list(reply.text)) for spec in specs
        )
        for spec, outcome in zip(specs, runner.run(jobs), strict=True):
            if outcome.value is None:
                row = {"reason": NO_USABLE_REPLY, "detail": outcome.failure, "record": None}
                result.unanswered.append({"question": spec.number + 1, **row})
            for record in outcome.value or ():
                n_texts += 1
                if len(result.docs) < config.count:
                    _add_text(record, spec, validator, result)
        n_requests += n_new
    return result


def _add_text(record: object, spec: GenerationSpec, validator: TextValidator, result: SynthesisResult) -> None:
    try:
        result.docs.append(validator.validate(record, with_entities=bool(spec.labels)))
    except RejectedReplyError as error:
        shown = record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
        row = {"reason": error.reason, "detail": str(error), "record": shown.encode("utf8", "replace").decode()}
        result.rejects.append({"question": spec.number + 1, **row})


def split_docs(docs: Sequence[Doc], config: SynthesisConfig) -> dict[str, list[Doc]]:
    """Split docs into train and dev, stratified by the labels in a doc.

    Args:
        docs: To be split.
        config: Says how large dev is.

    Returns:
        The docs of "train" and of "dev", in their order.
    """
    if not config.dev or len(docs) < 2:
        return {"train": list(docs), "dev": []}
    strata = [tuple(sorted({ent.label_ for ent in doc.ents})) for doc in docs]
    dev = set(stratified_sample(strata, config.dev, seed=config.seed))
    return {
        "train": [doc for i, doc in enumerate(docs) if i not in dev],
        "dev": [doc for i, doc in enumerate(docs) if i in dev],
    }


def write_records(docs: Sequence[Doc], path: Path) -> None:
    """Write docs as a JSON list of records, one a line, which `convert` reads back as they are.

    Args:
        docs: Texts with entities.
        path: The file.

    Raises:
        OSError: If it cannot be written.
    """
    rows = []
    for doc in docs:
        entities = [
            {"text": ent.text, "label": ent.label_, "start": ent.start_char, "end": ent.end_char} for ent in doc.ents
        ]
        rows.append(json.dumps({"text": doc.text, "entities": entities}, ensure_ascii=False))
    with atomic_write(path) as partial:
        partial.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf8")
