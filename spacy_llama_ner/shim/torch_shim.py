"""A thinc shim for torch modules that are mostly frozen, such as a Llama with LoRA adapters.

`TorchShim` takes the place of thinc's `PyTorchShim`. What differs:

* **Optimizer.** One fused torch `AdamW` (or `Adam`, where the optimizer has L2 instead of weight decay) updates all
  trainable parameters at once. Learning rate, momenta, epsilon, decay and clipping are those of the thinc optimizer
  in `[training.optimizer]` and are read again at each step, so that its schedules work. There are two parameter
  groups: matrices decay; vectors (biases, norms) do not.
* **Weights.** Only trainable parameters are saved, and only as safetensors, never as a pickle. Beside them stands the
  module's `spec()`, from which the module is rebuilt when it is loaded; frozen weights come from wherever `build`
  takes them. Copies share the frozen parameters and have trainable ones of their own.
* **Processes.** Gradients are averaged over all processes that train together (see `distributed`). A process forked
  from this one, as by `nlp.pipe(n_process=...)`, is held to a single torch thread, since it would hang otherwise.
* **Memory.** On a CPU, freed memory is reused from batch to batch (see `memory`).
"""

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

from ..data.errors import LlamaNERError
from .distributed import average_gradients
from .memory import ALLOWED_GROWTH, give_back_freed_memory, keep_freed_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

M = TypeVar("M", bound=Any)


class Rebuildable(Protocol):
    """A torch module that can say from what it was built."""

    def spec(self) -> dict[str, Any]:
        """Return all that `build` needs beside the config, in types that msgpack knows."""


class TorchShim(PyTorchShim, Generic[M]):
    """Hold one torch module of which only the trainable parameters are optimized, copied and saved.

    The shim is empty until `set_module` or `from_bytes` is called. It keeps no moving averages of the parameters:
    leave `use_averages` of the thinc optimizer off.

    Args:
        build: Makes the module from its own `spec()`; called when a saved module is loaded. See `Rebuildable`.
        learn_rate_factor: The learning rate of these parameters, as a multiple of the optimizer's.
    """

    _settings: AdamSettings | None = None

    def __init__(self, build: Callable[[dict[str, Any]], M], *, learn_rate_factor: float = 1.0) -> None:
        super().__init__(None)
        self._build = build
        self._learn_rate_factor = learn_rate_factor

    @property
    def has_module(self) -> bool:
        """Whether there are weights."""
        return self._model is not None

    @property
    def module(self) -> M:
        """The torch module.

        Raises:
            ValueError: While there is none.
        """
        if self._model is None:
            raise ValueError(
                "This model has no weights yet. Train it (`nlp.initialize`), or load a trained pipeline with "
                "`spacy.load`."
            )
        return self._model

    def set_module(self, module: M) -> None:
        """Move `module` to thinc's current device and hold it."""
        use_one_thread_after_fork()
        self._model = module.to(get_torch_default_device())
        if self.device.type == "cpu":
            keep_freed_memory()
        self._optimizer = None

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the module in evaluation mode, without gradients.

        Args:
            inputs: The arguments of the module's `forward`.

        Returns:
            What `forward` returns.
        """
        import torch

        if self.module.training:
            self.module.eval()
        with torch.inference_mode():
            return self.module(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable[[ArgsKwargs], None]]:
        """Run the module in training mode.

        Args:
            inputs: The arguments of the module's `forward`.

        Returns:
            What `forward` returns, and a callback that takes the arguments of `torch.autograd.backward` and adds to
            the gradients of the parameters.
        """
        import torch

        if not self.module.training:
            self.module.train()
        outputs = self.module(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> None:
            if outputs.requires_grad:
                torch.autograd.backward(*grads.args, **grads.kwargs)

        return outputs, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Take one step with the gradients collected so far by all processes that train together, and clear them.

        Args:
            optimizer: thinc's `Adam`, of which the settings are taken; it updates nothing itself.

        Raises:
            LlamaNERError: If the optimizer is not an Adam.
        """
        import torch

        trainable = list(trainable_parameters(self.module).values())
        average_gradients(trainable)
        parameters = [p for p in trainable if p.grad is not None]
        if not parameters:
            return
        self._settings = AdamSettings.read(optimizer, previous=self._settings)
        if self._settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(parameters, self._settings.grad_clip)
        adam = self._torch_optimizer(self._settings)
        adam.step()
        adam.zero_grad(set_to_none=True)
        # each step asks for its gigabyte again
        give_back_freed_memory(after_growth=4 * ALLOWED_GROWTH)

    def _torch_optimizer(self, settings: AdamSettings) -> Any:
        import torch

        if self._optimizer is None:
            trainable = trainable_parameters(self.module).values()
            adam = torch.optim.AdamW if settings.L2_is_weight_decay else torch.optim.Adam
            self._optimizer = adam(
                [
                    {"params": [p for p in trainable if p.ndim > 1], "decay": True},
                    {"params": [p for p in trainable if p.ndim <= 1], "decay": False},
                ],
                fused=True,
            )
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learn_rate * self._learn_rate_factor
            group["betas"] = (settings.b1, settings.b2)
            group["eps"] = settings.eps
            group["weight_decay"] = settings.L2 if group["decay"] else 0.0
        return self._optimizer

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        """Change nothing, since there are no averages. `spacy pretrain` may give None."""
        yield

    def to_bytes(self) -> bytes:
        """Return the module's spec and its trainable parameters, these in the safetensors format."""
        from safetensors.torch import save

        if self._model is None:
            return srsly.msgpack_dumps({})
        return srsly.msgpack_dumps({"spec": self.module.spec(), "state": save(trainable_state(self.module))})

    def from_bytes(self, bytes_data: bytes) -> TorchShim[M]:
        """Rebuild the module and load its parameters.

        Args:
            bytes_data: What `to_bytes` of another shim gave. Those of an empty shim change nothing.

        Returns:
            This shim.

        Raises:
            LlamaNERError: If the data is damaged, or the parameters do not fit the module that `build` makes.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            saved = srsly.msgpack_loads(bytes_data)
            state = load(saved["state"]) if saved else {}
        except (ValueError, SafetensorError) as error:
            raise LlamaNERError(f"The saved weights are damaged ({error}). Copy the pipeline again.") from error
        if not saved:
            return self
        module = self._build(saved["spec"])
        load_trainable_state(module, state)
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


def _unpickle(build: Callable[[dict[str, Any]], Any], learn_rate_factor: float, data: bytes) -> TorchShim[Any]:
    return TorchShim(build, learn_rate_factor=learn_rate_factor).from_bytes(data)


class AdamSettings(NamedTuple):
    """The settings of a thinc `Optimizer`, by its own names.

    Attributes:
        learn_rate: The learning rate at this step.
        b1: Decay of the mean of the gradients.
        b2: Decay of the mean of their squares.
        eps: What is added to the denominator.
        L2: Weight decay of the matrices.
        L2_is_weight_decay: Whether decay is decoupled from the gradients, as in AdamW.
        grad_clip: Largest norm of all gradients together; 0 clips nothing.
    """

    learn_rate: float
    b1: float
    b2: float
    eps: float
    L2: float
    L2_is_weight_decay: bool
    grad_clip: float

    @classmethod
    def read(cls, optimizer: Any, *, previous: AdamSettings | None) -> AdamSettings:
        """Read the settings as they are now.

        `nlp.rehearse` of spaCy hands its components a function in place of its optimizer, which has a learning rate
        and momenta and nothing else.

        Args:
            optimizer: A thinc `Optimizer`, or that function.
            previous: The settings at the step before, for what `optimizer` lacks. None means thinc's defaults.

        Raises:
            LlamaNERError: If it is not an Adam.
        """
        if (kind := _optimizer_kind(optimizer)) != "Adam":
            raise LlamaNERError(
                f"The optimizer is {kind}. The weights of a Llama are trained by Adam: write Adam.v1 into "
                "[training.optimizer], with beta1 and beta2 above 0."
            )
        fallback = Adam(0.0) if previous is None else previous
        return cls(*(getattr(optimizer, name, getattr(fallback, name)) for name in cls._fields))


def _optimizer_kind(optimizer: Any) -> str:
    """Name the algorithm that thinc's `Optimizer` runs with these settings."""
    if not optimizer.b1 and not optimizer.b2:
        return "SGD"
    if not optimizer.b1 or not optimizer.b2:
        return f"beta1 = {optimizer.b1}, beta2 = {optimizer.b2}"
    return "RAdam" if getattr(optimizer, "use_radam", False) else "Adam"


def trainable_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that training changes, by their names."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the values of the trainable parameters by name, on the CPU and contiguous, as safetensors wants them."""
    return {name: parameter.detach().cpu().contiguous() for name, parameter in trainable_parameters(module).items()}


def load_trainable_state(module: Any, state: Mapping[str, Tensor]) -> None:
    """Set the trainable parameters of `module`, in place.

    Args:
        module: A torch module.
        state: Their values by name, as `trainable_state` gives them.

    Raises:
        LlamaNERError: If names or shapes are not those of the module.
    """
    import torch

    parameters = trainable_parameters(module)
    _check_shapes(
        {name: tuple(parameter.shape) for name, parameter in parameters.items()},
        {name: tuple(tensor.shape) for name, tensor in state.items()},
    )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def _check_shapes(expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> None:
    wrong = sorted(name for name in expected.keys() & given.keys() if expected[name] != given[name])
    missing = sorted(expected.keys() - given.keys())
    unexpected = sorted(given.keys() - expected.keys())
    if wrong or missing or unexpected:
        raise LlamaNERError(
            "The saved weights do not fit this pipeline's config: "
            f"{len(missing)} missing {missing[:2]}, {len(unexpected)} unexpected {unexpected[:2]}, "
            f"{len(wrong)} of another shape {wrong[:2]}. "
            "Load the pipeline with the config.cfg it was saved with (the same base, lora and labels)."
        )


@functools.cache
def use_one_thread_after_fork() -> None:
    """Keep `nlp.pipe(n_process=...)` from hanging: GNU OpenMP's threads do not survive a fork.

    See https://pytorch.org/docs/stable/notes/multiprocessing.html, on CPU oversubscription and deadlocks.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def split_rows(rows: Floats2d, lengths: Sequence[int]) -> list[Floats2d]:
    """Cut an array into one array a doc, without copying.

    Args:
        rows: [sum(lengths), width].
        lengths: Number of rows of each doc.

    Returns:
        Arrays [length, width].
    """
    return [rows[end - n : end] for end, n in zip(accumulate(lengths), lengths, strict=True)]
