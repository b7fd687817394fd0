"""Settings of encoders, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from spacy.util import logger

from ..base import DECODER, ENCODER, BaseKind
from ..base.quantize import Quantization
from .batching import Pooling
from .lora import LoRA

if TYPE_CHECKING:
    import torch

DType = Literal["auto", "float32", "bfloat16"]
Attention = Literal["bidirectional", "causal"] | list[int]
# settings that say which weights there are, where they come from and where they go
_WEIGHTS = ("base", "revision", "dtype", "lora", "unfreeze_layers", "merge", "save_base", "encoded")


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """Settings that all models on a pretrained base have in common.

    Attributes:
        kind: Which kind of base the model takes.
        key: Where a config names the base, for messages.
        base: Alias, Hub id, folder or .gguf file.
        revision: Branch, tag or commit of a Hub id.
        lora: Shape of the adapter; None for a frozen base.
        dtype: Number format of matrix products; "auto" is bf16 where the hardware multiplies it natively.
        save_base: Whether a saved pipeline carries its base.

    Raises:
        ValueError: If a setting is not one of its choices.
    """

    kind: ClassVar[BaseKind]
    key: ClassVar[str]

    base: str
    revision: str | None
    lora: LoRA | None
    dtype: DType
    save_base: bool

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, get_args(DType))


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    """Settings that encoders of all kinds have in common; see `LlamaEncoder`.

    Raises:
        ValueError: If a setting makes no sense, or settings contradict each other.
    """

    key = "components.NAME.model.tok2vec.base"

    unfreeze_layers: int
    pooling: Pooling
    window: int
    stride: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, get_args(Pooling))
        if not 0 < self.stride <= self.window:
            raise ValueError(
                f"window = {self.window} and stride = {self.stride} leave subwords out. Expected are numbers of "
                "subwords with 0 < stride <= window, for example window = 256 and stride = 192."
            )
        if self.unfreeze_layers < 0:
            raise ValueError(f"unfreeze_layers = {self.unfreeze_layers}; expected 0 or more layers.")


@dataclass(frozen=True, kw_only=True)
class DecoderSettings(Settings):
    """The arguments of `LlamaEncoder`, checked; see there."""

    kind = DECODER

    attention: Attention
    layer: int | None
    merge: bool
    quantization: Quantization | None
    encoded: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantization is not None:
            check_choice("quantization", self.quantization, get_args(Quantization))
            if self.merge or self.unfreeze_layers:
                raise ValueError(
                    f"quantization = {self.quantization!r} leaves no weights to train in full or to merge with. Set "
                    "unfreeze_layers = 0 and merge = false, or quantization = null."
                )
        if self.encoded is not None and not self.frozen:
            raise ValueError(
                f"encoded = {self.encoded!r} holds vectors of a frozen base, but this encoder is trained: set lora = "
                "null and unfreeze_layers = 0, or encoded = null."
            )
        if isinstance(self.attention, str):
            check_choice("attention", self.attention, ("bidirectional", "causal"))
        if self.layer is not None and self.layer < 1:
            raise ValueError(f"layer = {self.layer}; expected the number of layers to run, 1 or more, or null.")

    @property
    def frozen(self) -> bool:
        """Whether training changes nothing about the encoder."""
        return self.lora is None and not self.unfreeze_layers

    @property
    def forward_settings(self) -> dict[str, Any]:
        """The settings that decide how texts are cut and encoded, apart from the weights and their number format."""
        return {name: value for name, value in asdict(self).items() if name not in _WEIGHTS}


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(Settings):
    """The arguments of `TransformerEncoder`, checked; see there."""

    kind = ENCODER


def check_choice(name: str, given: Any, choices: tuple[str, ...]) -> None:
    """Check a setting that has to be one of a few.

    Args:
        name: Name of the setting, for the message.
        given: Its value.
        choices: The values that are known.

    Raises:
        ValueError: If `given` is not one of `choices`.
    """
    if given not in choices:
        raise ValueError(f"{name} = {given!r} is not known. Choose one of {', '.join(map(repr, choices))}.")


def compute_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """Choose the number format of matrix products.

    Args:
        dtype: The setting. "auto" is bf16 where the hardware multiplies it natively, else fp32, with a warning that
            this is slow.
        device: Where the products are computed.

    Returns:
        `torch.float32` or `torch.bfloat16`.
    """
    import torch

    if dtype != "auto":
        return torch.float32 if dtype == "float32" else torch.bfloat16
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and _cpu_multiplies_bf16()
    if not fast:
        _warn_slow(device.type)
    return torch.bfloat16 if fast else torch.float32


@cache
def _warn_slow(device: str) -> None:
    logger.warning("This %s has no bf16 units: llama_ner computes in float32, at a fraction of the speed", device)


def _cpu_multiplies_bf16() -> bool:
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
