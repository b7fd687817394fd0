"""`spacy_llama_ner.GenerativeTagger.v1`: a decoder that is asked for the entities of a text, and answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats1d

from ..base.quantize import Quantization
from ..encoder.architectures import DEFAULT_LORA
from ..encoder.lora import LoRA
from ..encoder.settings import DType
from ..shim.torch_shim import TorchShim
from .formats import AnswerFormat
from .settings import GeneratorSettings

if TYPE_CHECKING:
    from .modules import Generator, Targets

GeneratorModel = Model["Targets", Floats1d]


def GenerativeTagger(
    format: AnswerFormat,
    base: str = "smollm2-135m",
    revision: str | None = None,
    system: str | None = None,
    constrained: bool = True,
    window: int = 128,
    lora: dict[str, Any] | None = DEFAULT_LORA,
    dtype: DType = "auto",
    merge: bool = False,
    save_base: bool = False,
    quantization: Quantization | None = None,
) -> GeneratorModel:
    """A decoder with the Llama layout and its causal mask, under its own chat template.

    format: how an answer is written: `InlineBrackets.v1` or `BioLines.v1`.
    system: what the base is told to do; null for words that suit the format. The labels are listed behind it.
    constrained: whether an answer can only be one of the format, with words of the text and known labels. Otherwise
        anything can be written, and what does not parse is counted.
    window: the most words that are asked about together; a longer doc is cut, if it can be at the end of a sentence.
    base, revision, lora, dtype, merge, save_base, quantization: as for `LlamaEncoder.v1`. The base needs a chat
        template and its output layer, and is shared with all who stand on it.

    As a thinc model it gives the log-probability of each subword of the answers in some lessons, one after the other.
    `generative.answering` has it write. Nothing is loaded before `initialize` or `from_bytes`. Raises ValueError on
    settings that make no sense.
    """
    settings = GeneratorSettings(
        base=base,
        revision=revision,
        lora=None if lora is None else LoRA.from_dict(lora),
        dtype=dtype,
        save_base=save_base,
        format=format,
        system=system,
        constrained=constrained,
        window=window,
        merge=merge,
        quantization=quantization,
    )
    return Model(
        "generative_tagger",
        forward,
        init=init,
        attrs={"settings": settings},
        shims=[TorchShim(partial(_build_saved, settings))],
    )


def _build_saved(settings: GeneratorSettings, spec: dict[str, Any]) -> Any:
    from .modules import build_saved

    return build_saved(settings, spec)


def init(model: GeneratorModel, X: Targets | None = None, Y: Floats1d | None = None) -> None:
    """Load the base and put a fresh adapter on it."""
    from .modules import build_new

    cast(TorchShim, model.shims[0]).set_module(build_new(model.attrs["settings"]))


def forward(
    model: GeneratorModel, lessons: Targets, is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], Targets]]:
    """Log-probabilities of the right answers; the callback sends their gradients into the adapter."""
    told, backprop_torch = cast(TorchShim, model.shims[0])(ArgsKwargs(tuple(lessons), {}), is_train)

    def backprop(d_told: Floats1d) -> Targets:
        gradient = xp2torch(d_told, device=told.device)
        backprop_torch(ArgsKwargs(((told,),), {"grad_tensors": (gradient,)}))
        return lessons

    return cast(Floats1d, torch2xp(told.detach())), backprop


def get_generator(model: GeneratorModel) -> Generator:
    """The torch side. Raises ValueError while the model has no weights."""
    return cast("Generator", cast(TorchShim, model.shims[0]).module)


def has_generator(model: GeneratorModel) -> bool:
    """Whether the model has weights."""
    return cast(TorchShim, model.shims[0]).has_module
