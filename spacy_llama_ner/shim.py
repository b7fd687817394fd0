"""A thinc shim for torch modules that are mostly frozen and know how to rebuild themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import srsly
from thinc.api import ArgsKwargs, Optimizer, PyTorchShim
from thinc.util import get_torch_default_device

from .distributed import average_gradients
from .fork import single_thread_after_fork
from .memory import HOLES, give_back_freed_memory, keep_freed_memory


class Rebuildable(Protocol):
    """A torch module that can say from what it was built."""

    def spec(self) -> dict[str, Any]:
        """All that `build` needs beside the config, in types msgpack knows."""


M = TypeVar("M", bound=Any)


class TorchShim(PyTorchShim, Generic[M]):
    """Holds one torch module of which only the trainable parameters are optimized, copied and saved.

    build: makes the module from its own `spec()`, which is how a saved one comes back. Until `set_module` or
        `from_bytes` the shim is empty.
    learn_rate_factor: the learning rate of these parameters, as a multiple of the optimizer's.

    thinc's own shim updates tensor by tensor; this one runs one fused Adam over all of them, and reads every
    setting from the thinc optimizer at each step. It keeps no moving averages: leave `use_averages` off.
    """

    def __init__(self, build: Callable[[dict[str, Any]], M], *, learn_rate_factor: float = 1.0) -> None:
        super().__init__(None)
        self._build = build
        self._learn_rate_factor = learn_rate_factor

    @property
    def module(self) -> M:
        """The torch module. Raises ValueError while there is none."""
        if self._model is None:
            raise ValueError(
                "This model has no weights yet. Train it (`nlp.initialize`), or load a trained pipeline with "
                "`spacy.load`."
            )
        return self._model

    @property
    def has_module(self) -> bool:
        """Whether there are weights."""
        return self._model is not None

    def set_module(self, module: M) -> None:
        """Take `module` in, moved to thinc's current device."""
        single_thread_after_fork()
        self._model = module.to(get_torch_default_device())
        if self.device.type == "cpu":
            keep_freed_memory()
        self._optimizer = None

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the module in evaluation mode, without gradients."""
        import torch

        if self.module.training:
            self.module.eval()
        with torch.inference_mode():
            return self.module(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable[[ArgsKwargs], None]]:
        """Run the module in training mode. The callback adds to the gradients of its parameters."""
        import torch

        if not self.module.training:
            self.module.train()
        outputs = self.module(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> None:
            if outputs.requires_grad:
                torch.autograd.backward(*grads.args, **grads.kwargs)

        return outputs, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Take one step with the gradients collected so far (by all processes that train together); clear them."""
        import torch

        trainable = [p for p in self.module.parameters() if p.requires_grad]
        average_gradients(trainable)
        parameters = [p for p in trainable if p.grad is not None]
        if not parameters:
            return
        if optimizer.grad_clip:
            torch.nn.utils.clip_grad_norm_(parameters, optimizer.grad_clip)
        self._adam(optimizer).step()
        self._adam(optimizer).zero_grad(set_to_none=True)
        # each step asks for its gigabyte again
        give_back_freed_memory(after_growth=4 * HOLES)

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        """Change nothing: there are no averages. `spacy pretrain` may give None."""
        yield

    def _adam(self, optimizer: Optimizer) -> Any:
        import torch

        if self._optimizer is None:
            trainable = [p for p in self.module.parameters() if p.requires_grad]
            adam = torch.optim.AdamW if optimizer.L2_is_weight_decay else torch.optim.Adam
            self._optimizer = adam(
                [
                    {"params": [p for p in trainable if p.ndim > 1], "decay": True},
                    {"params": [p for p in trainable if p.ndim <= 1], "decay": False},
                ],
                fused=True,
            )
        for group in self._optimizer.param_groups:
            group["lr"] = optimizer.learn_rate * self._learn_rate_factor
            group["betas"] = (optimizer.b1, optimizer.b2)
            group["eps"] = optimizer.eps
            group["weight_decay"] = optimizer.L2 if group["decay"] else 0.0
        return self._optimizer

    def to_bytes(self) -> bytes:
        """The module's spec and its trainable parameters in safetensors' format."""
        from safetensors.torch import save

        if self._model is None:
            return srsly.msgpack_dumps({})
        state = {name: p.detach().cpu().contiguous() for name, p in self.module.named_parameters() if p.requires_grad}
        return srsly.msgpack_dumps({"spec": self.module.spec(), "state": save(state)})

    def from_bytes(self, bytes_data: bytes) -> TorchShim[M]:
        """Rebuild the module and load its parameters. Raises ValueError where they do not fit each other."""
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            saved = srsly.msgpack_loads(bytes_data)
            state = load(saved["state"]) if saved else {}
        except (ValueError, SafetensorError) as error:
            raise ValueError(f"The saved weights are damaged ({error}). Copy the pipeline again.") from error
        if not saved:
            return self
        module = self._build(saved["spec"])
        parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        check_state(
            {name: tuple(p.shape) for name, p in parameters.items()},
            {name: tuple(tensor.shape) for name, tensor in state.items()},
        )
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(state[name])
        self.set_module(module)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchShim[M]:
        clone = TorchShim(self._build, learn_rate_factor=self._learn_rate_factor)
        if self._model is not None:
            frozen = [p for p in self._model.parameters() if not p.requires_grad]
            clone._model = copy.deepcopy(self._model, {**memo, **{id(p): p for p in frozen}})
        return clone

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._build, self._learn_rate_factor, self.to_bytes())


def _unpickle(build: Callable[[dict[str, Any]], Any], factor: float, data: bytes) -> TorchShim[Any]:
    return TorchShim(build, learn_rate_factor=factor).from_bytes(data)


def check_state(expected: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]) -> None:
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
