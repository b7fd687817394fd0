"""The trained weights of a torch module, apart from the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by their names."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Their values, as safetensors wants them."""
    return {name: parameter.detach().cpu().contiguous() for name, parameter in trained(module).items()}


def fill(module: Any, state: Mapping[str, Tensor]) -> None:
    """Give the trained parameters of `module` the values of `state`. Raises ValueError where they do not fit."""
    import torch

    parameters = trained(module)
    check_state(
        {name: tuple(parameter.shape) for name, parameter in parameters.items()},
        {name: tuple(tensor.shape) for name, tensor in state.items()},
    )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def check_state(expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless both name the same parameters with the same shapes."""
    wrong = sorted(name for name in expected.keys() & given.keys() if tuple(expected[name]) != tuple(given[name]))
    missing = sorted(expected.keys() - given.keys())
    unexpected = sorted(given.keys() - expected.keys())
    if wrong or missing or unexpected:
        raise ValueError(
            "The saved weights do not fit this pipeline's config: "
            f"{len(missing)} missing {missing[:2]}, {len(unexpected)} unexpected {unexpected[:2]}, "
            f"{len(wrong)} of another shape {wrong[:2]}. "
            "Load the pipeline with the config.cfg it was saved with (the same base, lora and labels)."
        )
