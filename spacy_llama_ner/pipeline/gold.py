"""From annotated examples to the tags that a model learns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.training import Example

from ..head.scheme import CLOSED, MISSING, OUTSIDE

_PREFIX = {"B": 0, "U": 0, "I": 1, "L": 1}


def collect_labels(examples: Iterable[Example]) -> list[str]:
    """All entity labels of the gold annotation, sorted."""
    return sorted({ent.label_ for eg in examples for ent in eg.reference.ents})


def gold_tags(example: Example, labels: Sequence[str], *, strict: bool = True) -> np.ndarray:
    """BIO tags of the predicted doc's words, int64 [n_words]; `MISSING` where nothing is annotated.

    A word without annotation right behind an entity is `CLOSED`: where the entity ends is known.

    strict: raise ValueError on an entity whose label the component does not have. Otherwise its words are `MISSING`.
    """
    number = {label: index for index, label in enumerate(labels)}
    tags = np.full(len(example.predicted), MISSING, dtype="int64")
    ended = False
    for i, biluo in enumerate(example.get_aligned_ner()):
        if ended:
            tags[i] = CLOSED
        ended = False
        if biluo == "O":
            tags[i] = OUTSIDE
        elif biluo:
            prefix, _, label = biluo.partition("-")
            if label not in number:
                if not strict:
                    continue
                raise ValueError(
                    f"The training data holds an entity with the label {label!r}, which this component does not "
                    f"have. Its labels are {list(labels)}. Add it with `add_label`, or remove it from the data."
                )
            tags[i] = 1 + 2 * number[label] + _PREFIX[prefix]
            ended = prefix in "LU"
    return tags
