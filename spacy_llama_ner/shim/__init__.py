"""A thinc shim for torch modules whose weights are mostly frozen."""

from .torch_shim import TorchShim, split_rows

__all__ = ["TorchShim", "split_rows"]
