"""`nlp.add_pipe("llama_reader")`: one pass over the base for all recognisers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import Model

from ..encoder.vector_cache import CachedVectors
from .entity_pipe import WORDS_PER_STEP, gather


class LlamaReader(Pipe):
    """Reads each doc once for those components behind it that read alike, on one base, each with its own adapter.

    It changes no doc and has no weights. The components find their word vectors there instead of computing them; what
    they say is the same, but for the last bits where the hardware adds up larger products in another order. They are
    found as spaCy's `tok2vec` finds its listeners, whenever the pipeline changes.
    """

    model = None
    # for spaCy, components listen to one whose weights they depend on; this one has none
    listeners: tuple[Model, ...] = ()
    listening_components: tuple[str, ...] = ()

    def __init__(self, name: str = "llama_reader") -> None:
        self.name = name
        self.listener_map: dict[str, list[Model]] = {}
        self._made = CachedVectors()
        self._told = False

    def find_listeners(self, component: Any) -> None:
        """Remember the `LlamaEncoder` layers in the model of a component; spaCy calls this for each one behind."""
        model = getattr(component, "model", None)
        for layer in model.walk() if isinstance(model, Model) else ():
            if layer.name == "llama_encoder":
                self.add_listener(layer, component.name)

    def add_listener(self, listener: Model, component_name: str) -> None:
        """Read for one more layer."""
        self.listener_map.setdefault(component_name, []).append(listener)

    def remove_listener(self, listener: Model, component_name: str) -> bool:
        """Stop reading for a layer; give whether it was read for."""
        layers = self.listener_map.get(component_name, [])
        if listener not in layers:
            return False
        layers.remove(listener)
        return True

    def __call__(self, doc: Doc) -> Doc:
        """Read one doc."""
        return next(self.pipe([doc]), doc)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Read a stream of docs, in order.

        batch_size: has no effect; see `LlamaNER.pipe`.
        """
        for docs in gather(stream, n_words=WORDS_PER_STEP):
            try:
                self.read(docs)
                yield from docs
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)

    def read(self, docs: list[Doc]) -> None:
        """Have the word vectors of `docs` ready for the components behind."""
        from ..encoder.multi_adapter import fill_caches

        layers = [layer for found in self.listener_map.values() for layer in found]
        if any(len(doc) for doc in docs) and not fill_caches(layers, docs, self._made) and not self._told:
            self._told = True
            logger.warning(
                "%r reads for nobody. Behind it should be two components or more with LlamaEncoder.v1 on one base, "
                "that differ in nothing but lora, without merge and unfreeze_layers; there are %s",
                self.name,
                list(self.listener_map) or "none",
            )


@Language.factory("llama_reader")
def make_llama_reader(nlp: Language, name: str) -> LlamaReader:
    """Create a `llama_reader`. It takes no settings."""
    return LlamaReader(name)
