"""What passes through a component's head while it predicts, for who wants more of it than entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from thinc.api import Model
from thinc.types import Floats2d

from .llama_ner import LlamaNER

# word vectors and emissions of a batch, fp32 [n_words, width] and [n_words, n_tags] for each doc
Hear = Callable[[list[Floats2d], list[Floats2d]], None]


@contextmanager
def listening(ner: LlamaNER, hear: Hear) -> Iterator[None]:
    """Inside the block, `hear` gets what the head of `ner` reads and gives, batch by batch, in the order of the docs.

    Nothing is computed a second time. A batch without any word does not come by.
    """
    from ..head.architecture import forward

    model = ner.model
    tok2vec, head = model.layers

    def overhear(outer: Model, words: list[Floats2d], is_train: bool) -> Any:
        emissions, backprop = head(words, is_train)
        hear(words, emissions)
        return emissions, backprop

    refs: dict[str, Model | None] = {name: model.get_ref(name) for name in model.ref_names}
    ear: Model = Model(head.name, overhear, layers=[head])
    ner.model = Model(model.name, forward, layers=[tok2vec, ear], refs=refs, attrs=model.attrs)
    try:
        yield
    finally:
        ner.model = model
