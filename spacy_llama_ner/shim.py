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
from .rates import Rates
from .state import copy_state, fill, trained


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

    _rates: Rates | None = None

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

        trainable = list(trained(self.module).values())
        average_gradients(trainable)
        parameters = [p for p in trainable if p.grad is not None]
        if not parameters:
            return
        self._rates = Rates.of(optimizer, last=self._rates)
        if self._rates.grad_clip:
            torch.nn.utils.clip_grad_norm_(parameters, self._rates.grad_clip)
        adam = self._adam(self._rates)
        adam.step()
        adam.zero_grad(set_to_none=True)
        # each step asks for its gigabyte again
        give_back_freed_memory(after_growth=4 * HOLES)

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        """Change nothing: there are no averages. `spacy pretrain` may give None."""
        yield

    def _adam(self, rates: Rates) -> Any:
        import torch

        if self._optimizer is None:
            trainable = trained(self.module).values()
            adam = torch.optim.AdamW if rates.L2_is_weight_decay else torch.optim.Adam
            self._optimizer = adam(
                [
                    {"params": [p for p in trainable if p.ndim > 1], "decay": True},
                    {"params": [p for p in trainable if p.ndim <= 1], "decay": False},
                ],
                fused=True,
            )
        for group in self._optimizer.param_groups:
            group["lr"] = rates.learn_rate * self._learn_rate_factor
            group["betas"] = (rates.b1, rates.b2)
            group["eps"] = rates.eps
            group["weight_decay"] = rates.L2 if group["decay"] else 0.0
        return self._optimizer

    def to_bytes(self) -> bytes:
        """The module's spec and its trainable parameters in safetensors' format."""
        from safetensors.torch import save

        if self._model is None:
            return srsly.msgpack_dumps({})
        return srsly.msgpack_dumps({"spec": self.module.spec(), "state": save(copy_state(self.module))})

    def from_bytes(self, bytes_data: bytes) -> TorchShim[M]:
        """Rebuild the module and load its parameters. Raises ValueError where they do not fit each other."""
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
        fill(module, state)
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
