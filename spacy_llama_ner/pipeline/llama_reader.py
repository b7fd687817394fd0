"""The component `llama_reader`: one pass over the base for all `llama_ner` components after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import Model

from ..encoder.multi_adapter import EncoderList
from .entity_pipe import WORDS_PER_STEP, gather


@Language.factory("llama_reader")
def make_llama_reader(nlp: Language, name: str) -> LlamaReader:
    """Create a `llama_reader` component, which has no settings.

    Args:
        nlp: The pipeline.
        name: The component's name in it.

    Returns:
        The component.
    """
    return LlamaReader(name)


class LlamaReader(Pipe):
    """Computes word vectors once for the components after it that stand on one base, each with its own adapter.

    It changes no doc and has no weights. The components find their word vectors instead of computing them; their
    predictions are the same, but for the last bits where the hardware adds up larger products in another order. They
    are found as spaCy's `tok2vec` finds its listeners, whenever the pipeline changes.

    Args:
        name: The component's name in the pipeline.

    Attributes:
        listener_map: The `LlamaEncoder` layers that it reads for, by component.
    """

    model = None
    # spaCy takes a component with listeners for one that they share weights with; this one has none
    listeners: tuple[Model, ...] = ()
    listening_components: tuple[str, ...] = ()

    def __init__(self, name: str = "llama_reader") -> None:
        self.name = name
        self.listener_map: dict[str, list[Model]] = {}
        self._encoders = EncoderList()
        self._has_warned = False

    def find_listeners(self, component: Any) -> None:
        """Add the `LlamaEncoder` layers in the model of a component. spaCy calls this for each one after it.

        Args:
            component: The component, of any kind.
        """
        model = getattr(component, "model", None)
        for layer in model.walk() if isinstance(model, Model) else ():
            if layer.name == "llama_encoder":
                self.add_listener(layer, component.name)

    def add_listener(self, listener: Model, component_name: str) -> None:
        """Read for one more layer.

        Args:
            listener: The layer.
            component_name: The component that it belongs to.
        """
        self.listener_map.setdefault(component_name, []).append(listener)

    def remove_listener(self, listener: Model, component_name: str) -> bool:
        """Stop reading for a layer.

        Args:
            listener: The layer.
            component_name: The component that it belongs to.

        Returns:
            Whether it was read for.
        """
        layers = self.listener_map.get(component_name, [])
        if listener not in layers:
            return False
        layers.remove(listener)
        return True

    def __call__(self, doc: Doc) -> Doc:
        """Read one doc, and return it."""
        return next(self.pipe([doc]), doc)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Read a stream of docs.

        Args:
            stream: The docs.
            batch_size: Has no effect; see `EntityPipe.pipe`.

        Yields:
            The docs, in order.
        """
        for docs in gather(stream, n_words=WORDS_PER_STEP):
            try:
                self.read(docs)
                yield from docs
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)

    def read(self, docs: list[Doc]) -> None:
        """Compute the word vectors of docs for the components after this one.

        Args:
            docs: The docs.
        """
        from ..encoder.multi_adapter import fill_caches

        layers = [layer for found in self.listener_map.values() for layer in found]
        if any(len(doc) for doc in docs) and not fill_caches(layers, docs, self._encoders) and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%r reads for no component. After it should come two or more with LlamaEncoder.v1 on one base, that "
                "differ in nothing but lora, without merge and unfreeze_layers; there are %s",
                self.name,
                list(self.listener_map) or "none",
            )
