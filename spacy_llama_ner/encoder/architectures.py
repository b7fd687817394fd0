"""`LlamaEncoder.v1` and `TransformerEncoder.v1`: pretrained bases as tok2vec layers.

Both build the same thinc layer: `init` loads the base, `forward` encodes docs. Two combinators keep `forward` from
computing vectors that are known already. They wrap the function, not the layer, so that a saved pipeline has one node
for its encoder, whose only shim holds the torch module.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeAlias, cast

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..base.quantize import Quantization
from ..shim.torch_shim import TorchShim, split_rows
from .batching import BatchPlan, Pooling, align, make_plan
from .lora import LoRA
from .modules import WordEncoder, build_new_encoder, build_saved_encoder
from .settings import Attention, DecoderSettings, DType, EncoderSettings, Settings

EncoderModel: TypeAlias = Model[list[Doc], list[Floats2d]]
Backprop: TypeAlias = Callable[[list[Floats2d]], list[Doc]]
Forward: TypeAlias = Callable[[EncoderModel, list[Doc], bool], tuple[list[Floats2d], Backprop]]

DEFAULT_LORA: dict[str, Any] = {"rank": 16, "alpha": 32.0, "dropout": 0.0, "target_modules": "all-linear"}


def LlamaEncoder(
    base: str = "smollm2-135m",
    revision: str | None = None,
    attention: Attention = "bidirectional",
    lora: dict[str, Any] | None = DEFAULT_LORA,
    unfreeze_layers: int = 0,
    layer: int | None = None,
    pooling: Pooling = "first",
    window: int = 400,
    stride: int = 300,
    dtype: DType = "auto",
    merge: bool = False,
    save_base: bool = False,
    quantization: Quantization | None = None,
    encoded: str | None = None,
) -> EncoderModel:
    """Build an encoder from a decoder with the Llama layout, whose words see both sides.

    Nothing is loaded before `initialize` or `from_bytes`.

    Args:
        base: Alias ("smollm2-135m"), Hub id, folder, or .gguf file.
        revision: Branch, tag or commit of a Hub id.
        attention: "bidirectional" removes the causal mask of every layer, "causal" of none, a list of indices that of
            those layers.
        lora: Rank, alpha, dropout, target_modules and layers of the adapter (see `LoRA`); null for a frozen base.
        unfreeze_layers: How many of the top layers are trained in full.
        layer: How many layers run; the final norm is applied to the last of them. null for all.
        pooling: Which of a word's subwords give its vector: "first", "last", or the "mean" of all.
        window: The most subwords that are encoded together, special ones included.
        stride: Distance between the starts of two windows, in subwords, where a doc needs several.
        dtype: "float32", "bfloat16", or "auto": bf16 where the hardware multiplies it natively.
        merge: Predict with the adapter merged into a copy of the base: faster, but the copy is not shared.
        save_base: Put the base into the saved pipeline, which then needs nothing else.
        quantization: Keep the base's weights in fewer bits, from when it is loaded: "bitsandbytes-4bit",
            "bitsandbytes-8bit" or "torchao-int8" (see `base.quantize`). Adapters are trained as usual; merge and
            unfreeze_layers are not possible.
        encoded: File with vectors of a frozen base, from `llama-ner encode`: texts that are in it are not encoded
            again. A loaded pipeline works without the file, too.

    Returns:
        A layer that gives fp32 vectors [n_words, hidden] for each doc; a word without a subword gets zeros.

    Raises:
        ValueError: If settings make no sense.
    """
    settings = DecoderSettings(
        base=base,
        revision=revision,
        attention=attention,
        lora=None if lora is None else LoRA.from_dict(lora),
        unfreeze_layers=unfreeze_layers,
        layer=layer,
        pooling=pooling,
        window=window,
        stride=stride,
        dtype=dtype,
        merge=merge,
        save_base=save_base,
        quantization=quantization,
        encoded=encoded,
    )
    return _make_layer("llama_encoder", settings)


def TransformerEncoder(
    base: str,
    revision: str | None = None,
    lora: dict[str, Any] | None = DEFAULT_LORA,
    unfreeze_layers: int = 0,
    pooling: Pooling = "first",
    window: int = 400,
    stride: int = 300,
    dtype: DType = "auto",
    save_base: bool = False,
) -> EncoderModel:
    """Build an encoder from an encoder-only model, whose words see both sides from the start.

    These are BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT and ELECTRA. Where `spacy-transformers` saves a whole
    model and loses adapters, this layer saves what is trained, and finds the base again. In training, the base's own
    dropout is on. Nothing is loaded before `initialize` or `from_bytes`.

    Args:
        base: Hub id ("distilbert/distilbert-base-cased") or folder; it needs tokenizer.json and safetensors.
        revision: Branch, tag or commit of a Hub id.
        lora: Rank, alpha, dropout, target_modules and layers of the adapter (see `LoRA`); null for a frozen base.
        unfreeze_layers: How many of the top layers are trained in full.
        pooling: Which of a word's subwords give its vector: "first", "last", or the "mean" of all.
        window: The most subwords that are encoded together, special ones included.
        stride: Distance between the starts of two windows, in subwords, where a doc needs several.
        dtype: "float32", "bfloat16", or "auto": bf16 where the hardware multiplies it natively.
        save_base: Put the base into the saved pipeline, which then needs nothing else.

    Returns:
        A layer that gives fp32 vectors [n_words, hidden] for each doc; a word without a subword gets zeros.

    Raises:
        ValueError: If settings make no sense.
    """
    settings = EncoderSettings(
        base=base,
        revision=revision,
        lora=None if lora is None else LoRA.from_dict(lora),
        unfreeze_layers=unfreeze_layers,
        pooling=pooling,
        window=window,
        stride=stride,
        dtype=dtype,
        save_base=save_base,
    )
    return _make_layer("transformer_encoder", settings)


def _make_layer(name: str, settings: Settings) -> EncoderModel:
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": None},
        attrs={"settings": settings},
        shims=[TorchShim(partial(build_saved_encoder, settings))],
    )


def init(model: EncoderModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Load the base and put a fresh adapter on it."""
    shim = _shim(model)
    shim.set_module(build_new_encoder(model.attrs["settings"]))
    model.set_dim("nO", shim.module.width)


def with_vector_cache(forward: Forward) -> Forward:
    """Let a layer predict with vectors that a `llama_reader` has put into its cache.

    Args:
        forward: Computes the vectors of docs that are not all in the cache, and those of all docs in training.

    Returns:
        The wrapped function. In training it empties the cache, whose vectors go out of date.
    """

    @wraps(forward)
    def forward_uncached(model: EncoderModel, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Backprop]:
        cache = _shim(model).module.cache
        if is_train:
            cache.clear()
        elif (vectors := cache.take(docs)) is not None:
            return vectors, _no_gradient
        return forward(model, docs, is_train)

    return forward_uncached


def with_vector_file(forward: Forward) -> Forward:
    """Let a frozen layer take vectors from its file, if it has one.

    Args:
        forward: Computes the vectors of docs that are not in the file.

    Returns:
        The wrapped function. With a file, its callback sends no gradients: a frozen layer needs none.
    """

    @wraps(forward)
    def forward_missing(model: EncoderModel, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Backprop]:
        file = _shim(model).module.vector_file
        if file is None:
            return forward(model, docs, is_train)
        found = file.find(docs)
        missing = [doc for doc, rows in zip(docs, found, strict=True) if rows is None]
        computed = iter(forward(model, missing, is_train)[0] if missing else [])
        words = [next(computed) if rows is None else model.ops.asarray2f(cast(Floats2d, rows)) for rows in found]
        return words, _no_gradient

    return forward_missing


def _no_gradient(d_words: list[Floats2d]) -> list[Doc]:
    return []


@with_vector_cache
@with_vector_file
def forward(model: EncoderModel, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Backprop]:
    """Encode docs.

    Args:
        model: The layer.
        docs: Docs of any length.
        is_train: Whether gradients will be asked for.

    Returns:
        Word vectors of each doc, fp32 [n_words, width], and a callback that sends their gradients into the adapter.
    """
    plan = plan_docs(model, docs)
    Y, backprop_torch = _shim(model)(ArgsKwargs((plan,), {}), is_train)

    def backprop(d_words: list[Floats2d]) -> list[Doc]:
        if d_words:
            dY = xp2torch(model.ops.xp.concatenate(d_words), device=Y.device)
            backprop_torch(ArgsKwargs(((Y,),), {"grad_tensors": (dY,)}))
        return []

    words = cast(Floats2d, torch2xp(Y.detach()))
    return split_rows(words, [int(n) for n in plan.n_words]), backprop


def plan_docs(model: EncoderModel, docs: list[Doc]) -> BatchPlan:
    """Cut docs into the windows and batches that a layer encodes them in.

    Args:
        model: A layer with weights.
        docs: Docs of any length.

    Returns:
        What `WordEncoder.forward` takes.
    """
    settings: Settings = model.attrs["settings"]
    module = _shim(model).module
    return make_plan(
        align(docs, module.tokenizer),
        module.window_format,
        window=settings.window,
        stride=settings.stride,
        pooling=settings.pooling,
    )


def _shim(model: EncoderModel) -> TorchShim[WordEncoder]:
    return cast("TorchShim[WordEncoder]", model.shims[0])
