"""What the components that find entities have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from ..head.bio import CLOSED, MISSING, OUTSIDE
from ..shim.memory import HOLES, give_back_freed_memory

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


@contextmanager
def load_errors(name: str, source: str | Path) -> Iterator[None]:
    """Raise what goes wrong in the block as OSError or ValueError that names the component and the source."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        kind = OSError if isinstance(error, OSError) else ValueError
        told = str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
        raise kind(
            f"[{name}] cannot be loaded from {source}: {told} "
            "If its files are incomplete, damaged or from two pipelines, copy the whole folder again."
        ) from error


# Words that are encoded and decoded at a time: enough for full batches of similar length.
WORDS_PER_STEP = 8192


def gather(stream: Iterable[Doc], *, n_words: int) -> Iterator[list[Doc]]:
    """Lists of docs, in order, of at most `n_words` words together; a longer doc comes alone.

    An empty doc counts as one word, so that a list of them ends, too. spaCy's `minibatch_by_words` would hand out a
    long doc before those in front of it.
    """
    docs: list[Doc] = []
    size = 0
    for doc in stream:
        length = max(len(doc), 1)
        if docs and size + length > n_words:
            yield docs
            docs, size = [], 0
        docs.append(doc)
        size += length
    if docs:
        yield docs


Scorer = Callable[..., dict[str, Any]]

# what the factories tell spaCy
ASSIGNS = ["doc.ents", "token.ent_iob", "token.ent_type"]
SCORE_WEIGHTS: dict[str, float | None] = {
    "ents_f": 1.0,
    "ents_p": 0.0,
    "ents_r": 0.0,
    "ents_per_type": None,
    "ents_token_acc": None,
}


class EntityPipe(TrainablePipe):
    """Has labels, reads streams of docs, and loads with errors that say what to do. Subclasses say how it finds."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str,
        *,
        spans_key: str | None,
        overwrite: bool | None,
        scorer: Scorer | None,
    ) -> None:
        """See `factory.make_llama_ner`."""
        self.vocab = vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.overwrite = overwrite
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": []}

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order in which the model knows them."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """What `spacy init labels` writes down."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity label; a trained model keeps what it knows. Returns 1, or 0 if it had the label."""
        if not isinstance(label, str) or not label:
            raise ValueError(f"A label is a non-empty string, but {label!r} was given to {self.name!r}.")
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self._keep_strings()
        return 1

    def find_labels(self, get_examples: Callable[[], Iterable[Example]], labels: list[str] | None) -> None:
        """Add `labels`, or where none are given those of the examples. Raises ValueError where there are none."""
        found = labels if labels is not None else collect_labels(get_examples())
        self.cfg["labels"] = list(dict.fromkeys([*self.labels, *found]))
        if not self.labels:
            raise ValueError(
                f"{self.name!r} has no labels: the training data holds no entity. Give it docs with `ents`, or "
                f"labels by `add_label` or [initialize.components.{self.name}.labels]."
            )
        self._keep_strings()

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """What the scorer says of `doc.ents`, or of the span group where `overwrite` is null."""
        group = {"spans_key": self.spans_key} if self.overwrite is None else {}
        scores: dict[str, Any] = super().score(examples, **group, **kwargs)
        return scores

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of docs, in order.

        batch_size: has no effect. Docs are gathered by their words, so that one at a time is as fast as a thousand,
            and a thousand long ones take no more memory than one.
        """
        for docs in gather(stream, n_words=WORDS_PER_STEP):
            try:
                self.set_annotations(docs, self.predict(docs))
                yield from docs
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)
            give_back_freed_memory(after_growth=HOLES)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> EntityPipe:
        """Load from a bytestring. Raises ValueError where it is damaged or does not fit the config."""
        with load_errors(self.name, "the bytes given"), self._replaced():
            TrainablePipe.from_bytes(self, bytes_data, exclude=exclude)
            self._check_loaded()
        self._keep_strings()
        give_back_freed_memory()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> EntityPipe:
        """Load from a folder. Raises ValueError where it is damaged or does not fit the config."""
        with load_errors(self.name, path), self._replaced():
            TrainablePipe.from_disk(self, path, exclude=exclude)
            self._check_loaded()
        self._keep_strings()
        give_back_freed_memory()
        return self

    @contextmanager
    def _replaced(self) -> Iterator[None]:
        """Let a block load a head with fewer or more labels than there are now; thinc would keep their number."""
        sizes = {node: node.get_dim("nO") for node in self.model.walk() if node.has_dim("nO")}
        for node in sizes:
            node.set_dim("nO", None, force=True)  # type: ignore[arg-type]
        try:
            yield
        finally:
            for node, size in sizes.items():
                # what the block has not loaded
                if not node.has_dim("nO"):
                    node.set_dim("nO", size, force=True)

    def _keep_strings(self) -> None:
        """Put the labels into the vocab, where they outlive a `memory_zone` that first meets them."""
        for label in self.labels:
            self.vocab.strings.add(label)

    def _check_loaded(self) -> None:
        """Raise ValueError where the files do not fit each other."""


def check_group(nlp: Language, name: str, *, spans_key: str | None, overwrite: bool | None) -> None:
    """Raise ValueError where a new component and one that is there would wipe out each other's span group."""
    if overwrite is None and spans_key is None:
        raise ValueError(
            f"{name!r} has overwrite = null, which leaves `doc.ents` alone, and spans_key = null: it would say "
            "nothing. Name a span group, or set overwrite to true or false."
        )
    for other, pipe in nlp.components:
        if not isinstance(pipe, EntityPipe) or other == name or pipe.spans_key != spans_key or spans_key is None:
            continue
        if overwrite is None or pipe.overwrite is None:
            raise ValueError(
                f"{name!r} and {other!r} both write to the span group {spans_key!r}. One of them has overwrite = "
                "null and needs a group of its own: give them different values of `spans_key`."
            )
