"""What a user can set about an encoder, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from spacy.util import logger

from ..base import DECODER, ENCODER, Kind
from ..base.quantize import Quantization
from .batching import Pooling
from .lora import LoRA

if TYPE_CHECKING:
    import torch

DType = Literal["auto", "float32", "bfloat16"]
Attention = Literal["bidirectional", "causal"] | list[int]
# which weights there are, where they come from and go to
_WEIGHTS = ("base", "revision", "dtype", "lora", "unfreeze_layers", "merge", "save_base", "encoded")


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """What all who stand on a base have in common. Raises ValueError where settings make no sense.

    kind: of the base. key: where a config has it.
    """

    kind: ClassVar[Kind]
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
    """What encoders of all kinds have in common. Raises ValueError where settings contradict each other."""

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
                f"window = {self.window} and stride = {self.stride} leave subwords out. Both are counted in "
                "subwords; expected 0 < stride <= window, for example window = 256 and stride = 192."
            )
        if self.unfreeze_layers < 0:
            raise ValueError(f"unfreeze_layers = {self.unfreeze_layers}; expected 0 or more layers.")


@dataclass(frozen=True, kw_only=True)
class DecoderSettings(Settings):
    """The arguments of `LlamaEncoder.v1`; see there."""

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
                    f"quantization = {self.quantization!r} leaves no weights to train in full or to merge with: set "
                    "unfreeze_layers = 0 and merge = false, or quantization = null."
                )
        if self.encoded is not None and not self.frozen:
            raise ValueError(
                f"encoded = {self.encoded!r} holds vectors of a frozen base, but this one is trained: set lora = "
                "null and unfreeze_layers = 0, or encoded = null."
            )
        if isinstance(self.attention, str):
            check_choice("attention", self.attention, ("bidirectional", "causal"))
        if self.layer is not None and self.layer < 1:
            raise ValueError(f"layer = {self.layer}; expected the number of layers to run, 1 or more, or null.")

    @property
    def frozen(self) -> bool:
        """Whether training leaves the encoder as it is."""
        return self.lora is None and not self.unfreeze_layers

    @property
    def reading(self) -> dict[str, Any]:
        """How texts are cut and read, whatever the weights and their number format."""
        return {name: value for name, value in asdict(self).items() if name not in _WEIGHTS}


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(Settings):
    """The arguments of `TransformerEncoder.v1`; see there."""

    kind = ENCODER


def check_choice(name: str, given: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless a setting is one of `choices`."""
    if given not in choices:
        raise ValueError(f"{name} = {given!r} is not known. Choose one of {', '.join(map(repr, choices))}.")


def compute_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """The number format that matrix products run in; "auto" is bf16 where the hardware is made for it."""
    import torch

    if dtype != "auto":
        return torch.float32 if dtype == "float32" else torch.bfloat16
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and _cpu_multiplies_bf16()
    if not fast:
        _say_slow(device.type)
    return torch.bfloat16 if fast else torch.float32


@cache
def _say_slow(device: str) -> None:
    logger.warning("llama_ner works in float32, since this %s has no bf16 units: a fraction of the speed", device)


def _cpu_multiplies_bf16() -> bool:
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
