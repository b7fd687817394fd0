"""What `TorchShim` promises: one fused Adam with the settings of thinc's, and only trained weights saved."""

from __future__ import annotations

import copy
import pickle
from itertools import chain, repeat
from typing import Any

import pytest
import srsly
import torch
from safetensors.torch import save
from thinc.api import SGD, Adam, ArgsKwargs, Optimizer, RAdam
from torch import Tensor, nn

from spacy_llama_ner.shim.torch_shim import TorchShim


class Net(nn.Module):
    """A frozen matrix under a trained one, with a bias and a norm."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(width, width).requires_grad_(False)
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, 2)
        self.dropout = nn.Dropout(0.5)

    def spec(self) -> dict[str, Any]:
        return {"width": self.linear.in_features}

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.dropout(self.norm(self.frozen(x))))


def build(spec: dict[str, Any]) -> Net:
    return Net(**spec)


def make_shim(**settings: Any) -> TorchShim[Net]:
    shim = TorchShim(build, **settings)
    shim.set_module(Net())
    return shim


def trainable(shim: TorchShim[Net]) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in shim.module.named_parameters() if p.requires_grad}


def set_gradients(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("factor", [1.0, 10.0])
@pytest.mark.parametrize("grad_clip", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("decoupled", [True, False])
def test_steps_are_those_of_torch(factor: float, grad_clip: float, decoupled: bool) -> None:
    """The clip is by the norm of all gradients together; only matrices decay."""
    shim = make_shim(learn_rate_factor=factor)
    optimizer = Adam(0.01, L2=0.1, beta1=0.8, beta2=0.95, eps=1e-6, grad_clip=grad_clip, L2_is_weight_decay=decoupled)
    net = copy.deepcopy(shim.module)
    parameters = [p for p in net.parameters() if p.requires_grad]
    plain = (torch.optim.AdamW if decoupled else torch.optim.Adam)(
        [
            {"params": [net.linear.weight], "weight_decay": 0.1},
            {"params": [net.linear.bias, net.norm.weight, net.norm.bias], "weight_decay": 0.0},
        ],
        lr=0.01 * factor,
        betas=(0.8, 0.95),
        eps=1e-6,
    )
    for step in range(3):
        set_gradients(shim.module, step)
        set_gradients(net, step)
        norm = torch.stack([p.grad.norm() for p in parameters]).norm()
        if grad_clip and norm > grad_clip:
            for parameter in parameters:
                parameter.grad *= grad_clip / norm
        plain.step()
        shim.finish_update(optimizer)
        torch.testing.assert_close(dict(shim.module.named_parameters()), dict(net.named_parameters()))
    assert all(p.grad is None for p in shim.module.parameters())


def test_the_learn_rate_is_read_at_each_step() -> None:
    shim = make_shim()
    optimizer = Adam(chain([0.0, 0.1], repeat(0.0)), L2=0.0, grad_clip=0.0)
    moved = []
    for step in range(4):
        before = trainable(shim)
        set_gradients(shim.module, step)
        shim.finish_update(optimizer)
        moved.append(not torch.equal(shim.module.linear.weight, before["linear.weight"]))
        optimizer.step_schedules()
    assert moved == [False, True, False, False]


def test_other_settings_are_read_at_each_step() -> None:
    shim, optimizer = make_shim(), Adam(0.1, L2=0.0)
    for decay in (0.0, 0.5):
        optimizer.L2 = decay
        set_gradients(shim.module, 0)
        shim.finish_update(optimizer)
        assert [group["weight_decay"] for group in shim._optimizer.param_groups] == [decay, 0.0]


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        (SGD(0.1), "SGD"),
        (RAdam(0.1), "RAdam"),
        (Optimizer(0.1, beta1=0.9, beta2=0.0), "beta1 = 0.9, beta2 = 0"),
    ],
)
def test_optimizers_that_are_no_adam_are_refused(optimizer: Optimizer, kind: str) -> None:
    shim = make_shim()
    before = trainable(shim)
    set_gradients(shim.module, 0)
    with pytest.raises(ValueError, match=rf"The optimizer is {kind}.* write Adam.v1 into \[training.optimizer\]"):
        shim.finish_update(optimizer)
    torch.testing.assert_close(trainable(shim), before, rtol=0, atol=0)


def test_without_a_gradient_there_is_no_step() -> None:
    shim, optimizer = make_shim(), Adam(0.1, L2=0.5)
    before = trainable(shim)
    shim.finish_update(optimizer)
    torch.testing.assert_close(trainable(shim), before, rtol=0, atol=0)
    # nor by what earlier steps have left behind
    set_gradients(shim.module, 0)
    shim.finish_update(optimizer)
    after = trainable(shim)
    shim.finish_update(optimizer)
    torch.testing.assert_close(trainable(shim), after, rtol=0, atol=0)


def test_frozen_parameters_stay_and_get_no_gradient() -> None:
    shim, x = make_shim(), torch.ones(4, 3)
    frozen = shim.module.frozen.weight.clone()
    output, backprop = shim(ArgsKwargs((x,), {}), True)
    backprop(ArgsKwargs(((output,),), {"grad_tensors": (torch.ones_like(output),)}))
    assert shim.module.frozen.weight.grad is None
    shim.finish_update(Adam(0.1, L2=0.5))
    assert torch.equal(shim.module.frozen.weight, frozen)


def test_a_module_that_is_all_frozen_is_left_alone() -> None:
    shim = make_shim()
    shim.module.requires_grad_(False)
    output, backprop = shim(ArgsKwargs((torch.ones(4, 3),), {}), True)
    backprop(ArgsKwargs(((output,),), {"grad_tensors": (torch.ones_like(output),)}))
    shim.finish_update(Adam(0.1))


def test_dropout_acts_in_training_and_not_in_prediction() -> None:
    shim, inputs = make_shim(), ArgsKwargs((torch.randn(64, 3),), {})
    trained, _ = shim(inputs, True)
    predicted, _ = shim(inputs, False)
    again, _ = shim(inputs, False)
    assert not torch.equal(trained, predicted)
    assert torch.equal(predicted, again)
    assert trained.requires_grad and not predicted.requires_grad


def test_only_what_is_trained_is_saved_and_comes_back() -> None:
    shim, optimizer = make_shim(), Adam(0.1)
    set_gradients(shim.module, 0)
    shim.finish_update(optimizer)
    loaded = TorchShim(build).from_bytes(shim.to_bytes())
    torch.testing.assert_close(trainable(loaded), trainable(shim), rtol=0, atol=0)
    for clone in (pickle.loads(pickle.dumps(shim)), shim.copy()):
        torch.testing.assert_close(trainable(clone), trainable(shim), rtol=0, atol=0)
    assert b"frozen" not in shim.to_bytes()


def test_a_copy_shares_what_is_frozen_and_trains_for_itself() -> None:
    shim = make_shim(learn_rate_factor=3.0)
    set_gradients(shim.module, 0)
    shim.finish_update(Adam(0.1))
    clone = copy.deepcopy(shim)
    assert clone.module.frozen.weight is shim.module.frozen.weight
    before = trainable(shim)
    set_gradients(clone.module, 1)
    clone.finish_update(Adam(0.1))
    assert clone._optimizer.param_groups[0]["lr"] == pytest.approx(0.3)
    torch.testing.assert_close(trainable(shim), before, rtol=0, atol=0)
    assert not torch.equal(clone.module.linear.weight, before["linear.weight"])


def test_an_empty_shim_says_so_and_stays_empty() -> None:
    shim: TorchShim[Net] = TorchShim(build)
    assert not shim.has_module
    assert not TorchShim(build).from_bytes(shim.to_bytes()).has_module
    with pytest.raises(ValueError, match=r"no weights yet\. Train it .* or load a trained pipeline"):
        shim(ArgsKwargs((torch.ones(1, 3),), {}), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("linear.bias"), r"1 missing \['linear.bias'\], 0 unexpected"),
        (lambda state: state.update(extra=torch.ones(1)), r"1 unexpected \['extra'\]"),
        (lambda state: state.update({"norm.bias": torch.ones(9)}), r"1 of another shape \['norm.bias'\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: Any, message: str) -> None:
    shim = make_shim()
    before = trainable(shim)
    state = dict(before)
    change(state)
    data = srsly.msgpack_dumps({"spec": shim.module.spec(), "state": save(state)})
    with pytest.raises(ValueError, match=message):
        shim.from_bytes(data)
    torch.testing.assert_close(trainable(shim), before, rtol=0, atol=0)


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_bytes_that_were_cut_off_are_refused(cut: int) -> None:
    with pytest.raises(ValueError, match=r"saved weights are damaged .* Copy the pipeline again"):
        make_shim().from_bytes(make_shim().to_bytes()[:cut])
