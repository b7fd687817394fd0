"""`EntityPipe`, the base class of the components that find entities, and what they have in common.

Gold tags, streams of docs in lists of so many words, errors of damaged folders, and the check of span groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from ..head.bio import MISSING, NOT_INSIDE, OUTSIDE
from ..shim.memory import ALLOWED_GROWTH, give_back_freed_memory

Scorer: TypeAlias = Callable[..., dict[str, Any]]

# for `Language.factory`
ASSIGNS = ["doc.ents", "token.ent_iob", "token.ent_type"]
SCORE_WEIGHTS: dict[str, float | None] = {
    "ents_f": 1.0,
    "ents_p": 0.0,
    "ents_r": 0.0,
    "ents_per_type": None,
    "ents_token_acc": None,
}
# words that are predicted at a time: enough for full batches of docs of similar length
WORDS_PER_STEP = 8192
# what a BILUO prefix adds to the number of a label's B tag
_TAG_OFFSETS = {"B": 0, "U": 0, "I": 1, "L": 1}


class EntityPipe(TrainablePipe):
    """A component that has labels, reads streams of docs, and says what to do when it cannot be loaded.

    Subclasses find the entities.

    Args:
        vocab: The pipeline's vocab.
        model: The model.
        name: The component's name in the pipeline.
        spans_key: Span group that gets the entities with their scores; None for none.
        overwrite: What becomes of entities that a doc already has; see `make_llama_ner`.
        scorer: Scores examples; None for no scores.

    Attributes:
        score_callbacks: Functions that `score` hands the examples to, as a logger wants them.
    """

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
        self.vocab = vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.overwrite = overwrite
        self.scorer = scorer
        self.score_callbacks: list[Callable[[list[Example]], None]] = []
        self.cfg: dict[str, Any] = {"labels": []}

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order in which the model has them."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The labels, as `spacy init labels` writes them."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity label. A trained model keeps what it has learned.

        Args:
            label: The label.

        Returns:
            1, or 0 if the component has the label already.

        Raises:
            ValueError: If it is not a string, or empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(f"A label is a non-empty string, but {label!r} was given to {self.name!r}.")
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self._add_strings()
        return 1

    def find_labels(self, get_examples: Callable[[], Iterable[Example]], labels: list[str] | None) -> None:
        """Add labels behind those that the component has.

        Args:
            get_examples: Training examples, whose labels are added if `labels` is None.
            labels: The labels, if they are known.

        Raises:
            ValueError: If there are no labels at all.
        """
        found = labels if labels is not None else collect_labels(get_examples())
        self.cfg["labels"] = list(dict.fromkeys([*self.labels, *found]))
        if not self.labels:
            raise ValueError(
                f"{self.name!r} has no labels: the training data holds no entity. Give it docs with `ents`, or "
                f"labels by `add_label` or [initialize.components.{self.name}.labels]."
            )
        self._add_strings()

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the entities in `doc.ents`, or those in the span group if `overwrite` is None.

        Args:
            examples: Predicted docs and gold docs.
            **kwargs: Passed to the scorer.

        Returns:
            What the scorer returns.
        """
        examples = list(examples)
        group = {"spans_key": self.spans_key} if self.overwrite is None else {}
        scores: dict[str, Any] = super().score(examples, **group, **kwargs)
        for callback in self.score_callbacks:
            callback(examples)
        return scores

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of docs.

        Args:
            stream: The docs.
            batch_size: Has no effect. Docs are gathered by their words, so that one at a time is as fast as a
                thousand, and a thousand long ones take no more memory than one.

        Yields:
            The docs, in order.
        """
        for docs in gather(stream, n_words=WORDS_PER_STEP):
            try:
                self.set_annotations(docs, self.predict(docs))
                yield from docs
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)
            give_back_freed_memory(after_growth=ALLOWED_GROWTH)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> EntityPipe:
        """Load from a bytestring.

        Args:
            bytes_data: What `to_bytes` returned.
            exclude: Names of fields to leave out.

        Returns:
            This component.

        Raises:
            ValueError: If the data is damaged or does not fit the config.
        """
        with load_errors(self.name, "the bytes given"), self._without_sizes():
            TrainablePipe.from_bytes(self, bytes_data, exclude=exclude)
            self._check_loaded()
        self._add_strings()
        give_back_freed_memory()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> EntityPipe:
        """Load from a folder.

        Args:
            path: The folder that `to_disk` wrote.
            exclude: Names of fields to leave out.

        Returns:
            This component.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file is damaged or does not fit the config.
        """
        with load_errors(self.name, path), self._without_sizes():
            TrainablePipe.from_disk(self, path, exclude=exclude)
            self._check_loaded()
        self._add_strings()
        give_back_freed_memory()
        return self

    @contextmanager
    def _without_sizes(self) -> Iterator[None]:
        """Let the block load a head with fewer or more labels than there are now; thinc would keep their number."""
        sizes = {node: node.get_dim("nO") for node in self.model.walk() if node.has_dim("nO")}
        for node in sizes:
            node.set_dim("nO", None, force=True)  # type: ignore[arg-type]
        try:
            yield
        finally:
            for node, size in sizes.items():
                # not loaded in the block
                if not node.has_dim("nO"):
                    node.set_dim("nO", size, force=True)

    def _add_strings(self) -> None:
        """Put the labels into the vocab, where they outlive a `memory_zone` that would meet them first."""
        for label in self.labels:
            self.vocab.strings.add(label)

    def _check_loaded(self) -> None:
        """Raise ValueError if the files that were loaded do not fit each other."""


def find_entity_pipes(nlp: Language) -> dict[str, EntityPipe]:
    """Return the active components of this package that find entities, by name, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, EntityPipe)}


def check_spans_key(nlp: Language, name: str, *, spans_key: str | None, overwrite: bool | None) -> None:
    """Make sure that a new component and those of a pipeline do not replace each other's span group.

    Args:
        nlp: The pipeline.
        name: The new component's name.
        spans_key: Its span group.
        overwrite: Its setting `overwrite`. With None, the span group has to be its own.

    Raises:
        ValueError: If they do, or if the component would write nothing at all.
    """
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


def collect_labels(examples: Iterable[Example]) -> list[str]:
    """Return all entity labels of the gold docs, sorted."""
    return sorted({ent.label_ for eg in examples for ent in eg.reference.ents})


def gold_tags(example: Example, labels: Sequence[str], *, strict: bool = True) -> np.ndarray:
    """Return the gold BIO tags of the predicted doc's words.

    Args:
        example: A predicted doc and a gold doc, whose words may differ.
        labels: Labels, in the order of the tags (see `head.bio`).
        strict: Whether an entity with another label is an error. Otherwise its words are `MISSING`.

    Returns:
        Tags int64 [n_words]. Words without annotation are `MISSING`, or `NOT_INSIDE` right behind an entity: where
        that ends is known.

    Raises:
        ValueError: If `strict` is set and there is an entity with another label.
    """
    number = {label: index for index, label in enumerate(labels)}
    tags = np.full(len(example.predicted), MISSING, dtype="int64")
    ended = False
    for i, biluo in enumerate(example.get_aligned_ner()):
        if ended:
            tags[i] = NOT_INSIDE
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
            tags[i] = 1 + 2 * number[label] + _TAG_OFFSETS[prefix]
            ended = prefix in "LU"
    return tags


def gather(stream: Iterable[Doc], *, n_words: int) -> Iterator[list[Doc]]:
    """Gather docs into lists of at most so many words.

    spaCy's `minibatch_by_words` would hand out a long doc before those in front of it.

    Args:
        stream: The docs. An empty one counts as one word, so that a list of them comes to an end, too.
        n_words: The most words in a list.

    Yields:
        Lists of docs, in order. A doc that is longer comes alone.
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


@contextmanager
def load_errors(name: str, source: str | Path) -> Iterator[None]:
    """Raise errors of the block as OSError or ValueError with the component and the source in the message.

    Args:
        name: The component that is loaded.
        source: What it is loaded from.

    Raises:
        OSError: If the block raises one.
        ValueError: If the block raises any other error that damaged data causes.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        kind = OSError if isinstance(error, OSError) else ValueError
        reason = str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
        raise kind(
            f"[{name}] cannot be loaded from {source}: {reason} "
            "If its files are incomplete, damaged or from two pipelines, copy the whole folder again."
        ) from error
