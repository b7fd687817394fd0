"""BIO tags of words: reading them, repairing them, and from tags to spans.

Within the package all tags are BIO2: `B-X` starts an entity of type X, `I-X` continues it, `O` is outside of
entities, and `-` is a word without annotation. `repair_tags` is the only way from other tags to BIO2. Its rules:

* An `I-X` (or `E-X`, `L-X`) that does not continue an entity of type X starts one: it becomes `B-X`.
* What is not a tag (`[CLS]`, `B-`, an empty string) becomes `O`.
* A tag whose label is not among the allowed ones becomes `O`.
* `S-X` and `U-X` become `B-X`; `E-X` and `L-X` become `I-X`. These are BIOES and BILOU, which only spell the same
  differently, so this is no problem.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from spacy.tokens import Doc

MISSING = "-"
# problems that `repair_tags` finds
LOST_START = "I- without B-"
UNKNOWN_TAG = "unknown tag"
UNKNOWN_LABEL = "label not allowed"

# prefixes that start an entity, that continue one, and after which it may go on
_START = frozenset("BSU")
_CONTINUE = frozenset("IEL")
_OPEN = frozenset("BI")


def split_tag(tag: str) -> tuple[str, str] | None:
    """Split a tag into prefix and label.

    Returns:
        `("B", "work-of-art")` for `"B-work-of-art"`, `("O", "")` for `"O"`, None for anything that is not a tag.
    """
    if tag == "O":
        return "O", ""
    prefix, dash, label = tag.partition("-")
    if dash and label and prefix in _START | _CONTINUE:
        return prefix, label
    return None


def is_tag(text: str) -> bool:
    """Whether a text is a tag or "-"."""
    return text == MISSING or split_tag(text) is not None


def starts_entity(prefix: str) -> bool:
    """Whether a tag with this prefix starts an entity whatever the tag before it (B, S, U)."""
    return prefix in _START


def repair_tags(
    tags: Sequence[str], *, labels: Collection[str] | None = None
) -> tuple[list[str], list[tuple[int, str]]]:
    """Turn the tags of one sentence into BIO2, by the rules above.

    Args:
        tags: BIO2, BIOES, BILOU or IOB1, clean or not.
        labels: The labels that are allowed. None allows all.

    Returns:
        The BIO2 tags, and the problems as pairs: index of the tag, and `LOST_START`, `UNKNOWN_TAG` or
        `UNKNOWN_LABEL`.
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
        continues = prefix in _CONTINUE
        if continues and open_label != label:
            problems.append((i, LOST_START))
            continues = False
        fixed.append(f"I-{label}" if continues else f"B-{label}")
        open_label = label if prefix in _OPEN else None
    return fixed, problems


def is_iob1(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether the tags are IOB1, in which `B-X` only stands right after an entity of the same type.

    Args:
        sentences: The tags of all sentences of a file.

    Returns:
        True if at least one `I-X` starts an entity and every `B-X` directly follows a tag of type X. A `B-X` anywhere
        else makes the tags BIO2 (perhaps with lost starts); an `S-`, `E-`, `L-` or `U-` makes them BIOES or BILOU.
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
    """Turn IOB1, BIOES or BILOU into BIO2: `repair_tags` without its problems, which are the rule in IOB1."""
    return repair_tags(tags)[0]


def tag_spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Find the entities of BIO2 tags.

    Args:
        tags: As `repair_tags` or `doc_tags` gives them. `O` and `-` are outside.

    Returns:
        (first word, word after the last, label) of each entity.

    Raises:
        ValueError: If an `I-X` does not continue an entity of type X.
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
            raise ValueError(f"Tag {i}, {tag!r}, continues no entity. Pass the tags through `repair_tags` first.")
    return spans


def doc_tags(doc: Doc) -> list[str]:
    """Return the BIO2 tag of every token of `doc`.

    A token without entity annotation gets "-" (`MISSING`), never None. A token that spaCy blocks from being an entity
    counts as `O`: it is known to be outside.
    """
    return [
        MISSING if not token.ent_iob else f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
        for token in doc
    ]
