"""`spacy_llama_ner.LlamaEncoder.v1`: a Llama as an ordinary tok2vec layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..base.quantize import Quantization
from ..shim.torch_shim import TorchShim, split_rows
from .batching import BatchPlan, Pooling, align, make_plan
from .lora import LoRA
from .settings import Attention, DecoderSettings, DType, EncoderSettings, Settings

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
) -> Model[list[Doc], list[Floats2d]]:
    """A decoder with the Llama layout that reads words from both sides and gives each a vector.

    base: alias ("smollm2-135m"), Hub id, folder, or .gguf file.
    revision: branch, tag or commit of a Hub id.
    attention: "bidirectional" removes the causal mask of every layer, "causal" of none, a list of those layers.
    lora: rank, alpha, dropout, target_modules, layers of the adapter (see `LoRA`); null for a frozen base.
    unfreeze_layers: how many of the top layers are trained in full.
    layer: how many layers run; the final norm is applied to the last of them. null for all.
    pooling: which of a word's subwords give its vector: "first", "last", or the "mean" of all.
    window: the most subwords that are encoded together, special ones included.
    stride: distance between the starts of two windows, in subwords, where a doc needs several.
    dtype: "float32", "bfloat16", or "auto": bf16 where the hardware multiplies it natively.
    merge: predict with the adapter merged into a copy of the base: faster, but the copy is not shared.
    save_base: put the base into the saved pipeline, which then needs nothing else.
    quantization: keep the base's weights in fewer bits, from when it is loaded: "bitsandbytes-4bit",
        "bitsandbytes-8bit" or "torchao-int8" (see `base.quantize`). Adapters are trained as ever; merge and
        unfreeze_layers are not possible.
    encoded: file with vectors of a frozen base, from `llama-ner encode`: texts that are in it are not read again. A
        loaded pipeline goes without it where it is not there.

    Gives fp32 vectors [n_words, hidden] for each doc; a word without a subword gets zeros. Nothing is loaded
    before `initialize` or `from_bytes`. Raises ValueError on settings that make no sense.
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
    return make_layer("llama_encoder", settings)


def make_layer(name: str, settings: Settings) -> Model[list[Doc], list[Floats2d]]:
    """The layer that reads the base which `settings` name."""
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": None},
        attrs={"settings": settings},
        shims=[TorchShim(partial(_build_saved, settings))],
    )


def _build_saved(settings: Settings, spec: dict[str, Any]) -> Any:
    from .modules import build_saved

    return build_saved(settings, spec)


def init(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc] | None = None, Y: list[Floats2d] | None = None
) -> None:
    """Load the base and put a fresh adapter on it."""
    from .modules import build_new

    shim = cast(TorchShim, model.shims[0])
    shim.set_module(build_new(model.attrs["settings"]))
    model.set_dim("nO", shim.module.width)


def forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Vectors of all words of all docs; the callback sends their gradients into the adapter.

    Those that a `llama_reader` has read ahead are taken as they are, but for training, and so are those of a frozen
    base that a file holds.
    """
    shim = cast(TorchShim, model.shims[0])
    if is_train:
        shim.module.ahead.clear()
    elif (vectors := shim.module.ahead.take(docs)) is not None:
        return vectors, lambda d_words: []
    if (kept := shim.module.encoded) is not None:
        found = kept.find(docs)
        missing = [doc for doc, rows in zip(docs, found, strict=True) if rows is None]
        others = iter(_read(model, missing, is_train)[0] if missing else [])
        return [next(others) if rows is None else model.ops.asarray2f(rows) for rows in found], lambda d_words: []
    return _read(model, docs, is_train)


def _read(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    shim = cast(TorchShim, model.shims[0])
    plan = plan_docs(model, docs)
    flat, backprop_torch = shim(ArgsKwargs((plan,), {}), is_train)
    n_words = [int(n) for n in plan.n_words]

    def backprop(d_words: list[Floats2d]) -> list[Doc]:
        if d_words:
            d_flat = xp2torch(model.ops.xp.concatenate(d_words), device=flat.device)
            backprop_torch(ArgsKwargs(((flat,),), {"grad_tensors": (d_flat,)}))
        return []

    rows = cast(Floats2d, torch2xp(flat.detach()))
    return split_rows(rows, n_words), backprop


def plan_docs(model: Model[list[Doc], list[Floats2d]], docs: list[Doc]) -> BatchPlan:
    """How `model` would encode `docs`: its windows and batches."""
    settings: Settings = model.attrs["settings"]
    module = cast(TorchShim, model.shims[0]).module
    return make_plan(
        align(docs, module.tokenizer),
        module.form,
        window=settings.window,
        stride=settings.stride,
        pooling=settings.pooling,
    )


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
) -> Model[list[Doc], list[Floats2d]]:
    """An encoder-only model that gives each word a vector.

    BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT and ELECTRA see both sides of a word from the start.

    base: Hub id ("distilbert/distilbert-base-cased") or folder; it needs tokenizer.json and safetensors.
    revision, lora, unfreeze_layers, pooling, window, stride, dtype, save_base: as for `LlamaEncoder.v1`. `window`
        counts the special subwords around it too.

    Where `spacy-transformers` saves a whole model and loses adapters, this layer saves what is trained, and finds
    the base again. In training, the base's own dropout is on. Gives fp32 vectors [n_words, hidden] for each doc; a
    word without a subword gets zeros. Nothing is loaded before `initialize` or `from_bytes`. Raises ValueError on
    settings that make no sense.
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
    return make_layer("transformer_encoder", settings)
