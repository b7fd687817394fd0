"""A thinc shim for torch modules that are mostly frozen and know how to rebuild themselves."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import srsly
from thinc.api import Adam, ArgsKwargs, Optimizer, PyTorchShim
from thinc.types import Floats2d
from thinc.util import get_torch_default_device

from .distributed import average_gradients
from .memory import HOLES, give_back_freed_memory, keep_freed_memory

if TYPE_CHECKING:
    from torch import Tensor, nn


@functools.cache
def single_thread_after_fork() -> None:
    """Keep `nlp.pipe(n_process=...)` from hanging: GNU OpenMP's threads do not survive a fork.

    See https://pytorch.org/docs/stable/notes/multiprocessing.html, on CPU oversubscription and deadlocks.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


class Rates(NamedTuple):
    """The settings of a thinc `Optimizer`, by its own names."""

    learn_rate: float
    b1: float
    b2: float
    eps: float
    L2: float
    L2_is_weight_decay: bool
    grad_clip: float

    @classmethod
    def of(cls, optimizer: Any, *, last: Rates | None) -> Rates:
        """The settings as they are now.

        `nlp.rehearse` of spaCy hands its components a function in place of its optimizer, which has a learning rate
        and momenta and nothing else. What it lacks is as in `last`, the step before, or thinc's default.

        Raises ValueError where it is no Adam.
        """
        if (kind := _kind(optimizer)) != "Adam":
            raise ValueError(
                f"The optimizer is {kind}. The weights of a Llama are trained by Adam: write Adam.v1 into "
                "[training.optimizer], with beta1 and beta2 above 0."
            )
        known = last or cls._read(Adam(0.0))
        return known._replace(**{name: getattr(optimizer, name, getattr(known, name)) for name in cls._fields})

    @classmethod
    def _read(cls, optimizer: Optimizer) -> Rates:
        return cls(*(getattr(optimizer, name) for name in cls._fields))


def _kind(optimizer: Any) -> str:
    """What thinc's optimizer of these settings does."""
    if not optimizer.b1 and not optimizer.b2:
        return "SGD"
    if not optimizer.b1 or not optimizer.b2:
        return f"beta1 = {optimizer.b1}, beta2 = {optimizer.b2}"
    return "RAdam" if getattr(optimizer, "use_radam", False) else "Adam"


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


def split_rows(rows: Floats2d, lengths: Sequence[int]) -> list[Floats2d]:
    """Cut rows [sum(lengths), width] into one array a doc, without copying."""
    return [rows[end - n : end] for end, n in zip(accumulate(lengths), lengths, strict=True)]
