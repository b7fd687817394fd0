"""The stretched rotary positions of Llama 3.1 and later, which GGUF files keep as a tensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gguf import GGUFReader

FACTORS = "rope_freqs.weight"
# the same in all of Meta's releases from 3.1 on; only the factor differs
LOW, HIGH, ORIGINAL_LENGTH = 1.0, 4.0, 8192


def llama3_scaling(reader: GGUFReader, *, theta: float) -> dict[str, Any] | None:
    """`rope_scaling` for a GGUF file that divides its rotary frequencies, null for one that does not.

    theta: the file's base of the rotary frequencies.
    transformers passes over that tensor, and the model would run on frequencies it was not trained with.
    Raises ValueError if the tensor holds something else than Llama 3's formula gives.
    """
    tensor = next((tensor for tensor in reader.tensors if tensor.name == FACTORS), None)
    if tensor is None:
        return None
    given = [float(value) for value in tensor.data]
    factor = round(max(given), 3)
    expected = [_divisor(pair / len(given), theta, factor) for pair in range(len(given))]
    if not all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(given, expected, strict=True)):
        raise ValueError(f"its {FACTORS} does not follow Llama 3's formula")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": ORIGINAL_LENGTH,
    }


def _divisor(place: float, theta: float, factor: float) -> float:
    turns = ORIGINAL_LENGTH / (2 * math.pi * theta**place)
    smooth = min(max((turns - LOW) / (HIGH - LOW), 0.0), 1.0)
    return 1 / ((1 - smooth) / factor + smooth)
