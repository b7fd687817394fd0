"""`GenerativeTagger.v1`: a decoder that is prompted for the entities of a text.

As a thinc model it gives log-probabilities of right answers, for training. `generative.predict` has it generate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

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

GeneratorModel: TypeAlias = Model["Targets", Floats1d]


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
    """Build a decoder with the Llama layout and its causal mask, under its own chat template.

    Nothing is loaded before `initialize` or `from_bytes`.

    Args:
        format: How an answer is written: `InlineBrackets.v1` or `BioLines.v1`.
        base: As for `LlamaEncoder.v1`. The base needs a chat template and its output layer. It is in memory once for
            all models on it.
        revision: As for `LlamaEncoder.v1`.
        system: The system prompt, which the list of labels is added to; null for one that suits the format.
        constrained: Whether an answer can only be one of the format, with words of the text and known labels.
            Otherwise anything can be generated, and answers that cannot be parsed are counted.
        window: The most words in a prompt. A longer doc is split, if possible at the end of a sentence.
        lora: As for `LlamaEncoder.v1`.
        dtype: As for `LlamaEncoder.v1`.
        merge: As for `LlamaEncoder.v1`.
        save_base: As for `LlamaEncoder.v1`.
        quantization: As for `LlamaEncoder.v1`.

    Returns:
        A model that gives the log-probabilities of the subwords of all answers in `Targets`, one after the other,
        fp32 [n_subwords].

    Raises:
        ValueError: If a setting makes no sense, or settings contradict each other.
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


def _build_saved(settings: GeneratorSettings, spec: dict[str, Any]) -> Generator:
    from .modules import build_saved_generator

    return build_saved_generator(settings, spec)


def init(model: GeneratorModel, X: Targets | None = None, Y: Floats1d | None = None) -> None:
    """Load the base and put a fresh adapter on it."""
    from .modules import build_new_generator

    _shim(model).set_module(build_new_generator(model.attrs["settings"]))


def forward(
    model: GeneratorModel, targets: Targets, is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], Targets]]:
    """Compute log-probabilities of right answers, fp32 [n_subwords]; the callback takes their gradients."""
    log_probs, backprop_torch = _shim(model)(ArgsKwargs(tuple(targets), {}), is_train)

    def backprop(d_log_probs: Floats1d) -> Targets:
        gradient = xp2torch(d_log_probs, device=log_probs.device)
        backprop_torch(ArgsKwargs(((log_probs,),), {"grad_tensors": (gradient,)}))
        return targets

    return cast(Floats1d, torch2xp(log_probs.detach())), backprop


def get_generator(model: GeneratorModel) -> Generator:
    """Return the torch module of a `GenerativeTagger`.

    Raises:
        ValueError: If it has no weights yet.
    """
    return _shim(model).module


def has_generator(model: GeneratorModel) -> bool:
    """Return whether a `GenerativeTagger` has been initialized or loaded."""
    return _shim(model).has_module


def _shim(model: GeneratorModel) -> TorchShim[Generator]:
    return cast("TorchShim[Generator]", model.shims[0])
