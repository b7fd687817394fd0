"""Tags of words: the one inner form is BIO2 (`B-X` starts an entity, `I-X` goes on, `O` is outside, `-` not known).

Rules of `repair`, the only way from foreign tags to BIO2:

* `I-X` (or `E-X`, `L-X`) that does not go on an entity of type X starts one: it becomes `B-X`.
* What is not a tag (`[CLS]`, `B-`, an empty string) becomes `O`.
* A tag whose label is not among the allowed ones becomes `O`.
* `S-X` and `U-X` become `B-X`; `E-X` and `L-X` become `I-X` (BIOES and BILOU; no problem, only another
  spelling).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from spacy.tokens import Doc

MISSING = "-"
LOST_START = "I- without B-"
UNKNOWN_TAG = "unknown tag"
UNKNOWN_LABEL = "label not allowed"

_STARTS = frozenset("BSU")
_GOES_ON = frozenset("IEL")
_STAYS_OPEN = frozenset("BI")


def split_tag(tag: str) -> tuple[str, str] | None:
    """`"B-work-of-art"` → `("B", "work-of-art")`, `"O"` → `("O", "")`, anything that is not a tag → None."""
    if tag == "O":
        return "O", ""
    prefix, dash, label = tag.partition("-")
    if dash and label and prefix in _STARTS | _GOES_ON:
        return prefix, label
    return None


def is_tag(text: str) -> bool:
    """Whether a text is a tag, "-" among them."""
    return text == MISSING or split_tag(text) is not None


def starts_entity(prefix: str) -> bool:
    """Whether a tag with this prefix always starts an entity (B, S, U)."""
    return prefix in _STARTS


def repair(tags: Sequence[str], *, labels: Collection[str] | None = None) -> tuple[list[str], list[tuple[int, str]]]:
    """BIO2 of one sentence by the rules above, and its problems as (index of the tag, what was wrong).

    `labels` are the labels that are allowed; None allows all. Spelling changes (BIOES) are no problems.
    """
    fixed: list[str] = []
    problems: list[tuple[int, str]] = []
    open_label: str | None = None
    for i, tag in enumerate(tags):
        if tag == MISSING:
            fixed.append(MISSING)
            open_label = None
            continue
        parts = split_tag(tag)
        prefix, label = parts or ("O", "")
        if parts is None:
            problems.append((i, UNKNOWN_TAG))
        elif prefix != "O" and labels is not None and label not in labels:
            problems.append((i, UNKNOWN_LABEL))
            prefix = "O"
        if prefix == "O":
            fixed.append("O")
            open_label = None
            continue
        goes_on = prefix in _GOES_ON
        if goes_on and open_label != label:
            problems.append((i, LOST_START))
            goes_on = False
        fixed.append(f"I-{label}" if goes_on else f"B-{label}")
        open_label = label if prefix in _STAYS_OPEN else None
    return fixed, problems


def is_iob1(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether the tags are IOB1, where `B-X` stands only right behind an entity of the same type.

    True when at least one `I-X` starts an entity and every `B-X` follows a tag of type X directly. One `B-X`
    elsewhere makes it BIO2 (with lost starts, if need be), one `S-`, `E-`, `L-` or `U-` makes it BIOES or
    BILOU: False.
    """
    lost_start = False
    for tags in sentences:
        before = ""
        for tag in tags:
            prefix, label = split_tag(tag) or ("O", "")
            if prefix not in "BIO" or (prefix == "B" and label != before):
                return False
            lost_start = lost_start or (prefix == "I" and label != before)
            before = label
    return lost_start


def to_bio2(tags: Sequence[str]) -> list[str]:
    """IOB1, BIOES or BILOU as BIO2: `repair` where problems do not matter (in IOB1 they are the rule)."""
    return repair(tags)[0]


def tag_spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Entities of BIO2 tags as (first word, word behind the last, label). `O` and `-` are outside.

    Expects what `repair` or `doc_tags` gives; an `I-` that goes on nothing raises a ValueError.
    """
    spans: list[tuple[int, int, str]] = []
    for i, tag in enumerate(tags):
        if tag in ("O", MISSING):
            continue
        prefix, label = tag.split("-", 1)
        if prefix == "B":
            spans.append((i, i + 1, label))
        elif spans and spans[-1][1:] == (i, label):
            spans[-1] = (spans[-1][0], i + 1, label)
        else:
            raise ValueError(f"Tag {i}, {tag!r}, goes on no entity. Pass the tags through `repair` first.")
    return spans


def doc_tags(doc: Doc) -> list[str]:
    """BIO2 tag of every token of `doc`. A token without entity annotation gets "-" (`MISSING`), never None.

    A token that spaCy blocks from being an entity counts as `O`: it is known to be outside.
    """
    return [
        MISSING if not token.ent_iob else f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
        for token in doc
    ]
