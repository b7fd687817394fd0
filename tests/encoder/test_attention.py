"""What a word sees. A model whose mask silently stays causal still trains and predicts, only worse, so every
way to build one is checked: the last subword of a window is changed, and the vector of the first must move."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from transformers import AutoModel

from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.encoder import attention as attention_module
from spacy_llama_ner.encoder.attention import bidirectional_layers, make_groups, positions
from spacy_llama_ner.encoder.batching import Batch
from spacy_llama_ner.encoder.modules import PackedDecoder
from tests.encoder.samples import FAMILIES, LORA, make_encoder, window_plan

SHORT, LONG = [20, 31, 42, 53, 64], [70, 81, 92, 103, 114, 125, 136, 147]
# batches of one and two windows, alone, side by side, without and with padding, and in groups of their own;
# the first window is the one that is changed
CASES = [
    ([SHORT], None),
    ([SHORT, SHORT], None),
    ([SHORT, LONG], None),
    ([SHORT, LONG], [1, 1]),
    ([LONG, SHORT], [2]),
]
KERNELS = ("fused", "products")
# torch's fused kernel cannot cap scores, as Gemma 2 wants it; products are used in its place
BUILDS = [(kind, kernel) for kind in FAMILIES for kernel in KERNELS if (kind, kernel) != ("gemma2", "fused")]


@pytest.fixture
def use_kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Compute every window's attention in one of the two ways, and see that it happens."""

    def choose(kernel: str) -> None:
        other = {"fused": "_products", "products": "_fused"}[kernel]
        monkeypatch.setattr(attention_module, "FUSED_FROM", 1 if kernel == "fused" else 10**9)
        monkeypatch.delattr(attention_module, other)

    return choose


def shifts(encoder: PackedDecoder, rows: list[list[int]], groups: list[int] | None) -> list[float]:
    """By how much the first vector of each window moves when the last subword of the first window is changed."""
    changed = [[*rows[0][:-1], rows[0][-1] + 100], *rows[1:]]
    with torch.inference_mode():
        before, after = (encoder(window_plan(content, groups=groups)) for content in (rows, changed))
    return (after - before).abs().amax(dim=1).tolist()


def check_sees_right(encoder: PackedDecoder) -> None:
    for rows, groups in CASES:
        moved, *others = shifts(encoder, rows, groups)
        assert moved > 1e-2, (rows, groups)
        assert all(other < 1e-5 for other in others)


def check_sees_left_only(encoder: PackedDecoder) -> None:
    for rows, groups in CASES:
        assert max(shifts(encoder, rows, groups)) < 1e-5, (rows, groups)


def fresh(base: Path, **settings: Any) -> PackedDecoder:
    return make_encoder(base, **settings).shims[0].module.eval()


def saved_and_loaded(base: Path, **settings: Any) -> PackedDecoder:
    data = make_encoder(base, **settings).to_bytes()
    model = LlamaEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings}).from_bytes(data)
    return model.shims[0].module.eval()


def merged(base: Path, **settings: Any) -> PackedDecoder:
    encoder = fresh(base, **settings)
    alone = copy.deepcopy(encoder)  # with a base of its own: peft merges into the weights as they lie there
    for layer in alone.modules():
        if isinstance(layer, LoraLayer):
            layer.merge()
    with torch.inference_mode():
        given, expected = (e(window_plan([SHORT, LONG])) for e in (alone, encoder))
    torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4)
    return alone


@pytest.mark.parametrize("make", [fresh, saved_and_loaded, merged])
@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_every_word_sees_both_sides(
    tiny_decoder: Callable[[str], Path],
    use_kernel: Callable[[str], None],
    kind: str,
    kernel: str,
    make: Callable[..., PackedDecoder],
) -> None:
    use_kernel(kernel)
    check_sees_right(make(tiny_decoder(kind)))


@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_causal_attention_sees_the_left_side_only(
    tiny_decoder: Callable[[str], Path], use_kernel: Callable[[str], None], kind: str, kernel: str
) -> None:
    use_kernel(kernel)
    check_sees_left_only(fresh(tiny_decoder(kind), attention="causal"))
    check_sees_left_only(saved_and_loaded(tiny_decoder(kind), attention="causal"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_bf16_sees_both_sides(tiny_llama: Path, use_kernel: Callable[[str], None], kernel: str) -> None:
    use_kernel(kernel)
    check_sees_right(fresh(tiny_llama, dtype="bfloat16"))
    check_sees_left_only(fresh(tiny_llama, dtype="bfloat16", attention="causal"))


@pytest.mark.parametrize("kernel", [attention_module.PACKED, "sdpa", "eager"])
def test_the_check_catches_a_mask_left_causal(tiny_llama: Path, kernel: str) -> None:
    encoder = fresh(tiny_llama)
    check_sees_right(encoder)
    encoder.llama.config._attn_implementation = kernel
    for layer in encoder.llama.layers:
        layer.self_attn.is_causal = kernel == attention_module.PACKED
        if kernel != attention_module.PACKED:
            layer.register_forward_pre_hook(add_triangle, with_kwargs=True)
    with pytest.raises(AssertionError):
        check_sees_right(encoder)


def add_triangle(layer: torch.nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """What a decoder does that builds its own mask."""
    width = args[0].shape[1]
    future = torch.ones(width, width, dtype=torch.bool).triu(1)[None, None]
    mask = torch.zeros(future.shape).masked_fill(future, torch.finfo(torch.float32).min)
    return args, {**kwargs, "attention_mask": mask}


@pytest.mark.parametrize("attention", ["bidirectional", "causal", [1]])
@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_no_window_sees_another(
    tiny_decoder: Callable[[str], Path], use_kernel: Callable[[str], None], kind: str, kernel: str, attention: Any
) -> None:
    use_kernel(kernel)
    encoder = fresh(tiny_decoder(kind), attention=attention)
    with torch.inference_mode():
        alone = encoder(window_plan([SHORT]))
        for neighbour in (LONG, [5], [row + 1 for row in LONG]):
            for groups in ([2], [1, 1]):
                beside = encoder(window_plan([SHORT, neighbour], groups=groups))
                torch.testing.assert_close(beside[:1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_causal_windows_are_what_the_plain_decoder_gives(
    tiny_decoder: Callable[[str], Path], use_kernel: Callable[[str], None], kind: str, kernel: str
) -> None:
    """The reference: the decoder as transformers ships it, one window at a time, with its own causal mask."""
    use_kernel(kernel)
    encoder = fresh(tiny_decoder(kind), attention="causal", lora=None)
    plain = AutoModel.from_pretrained(tiny_decoder(kind), attn_implementation="eager").eval()
    rows = [SHORT, LONG]
    with torch.inference_mode():
        expected = torch.cat([plain(torch.tensor([row])).last_hidden_state[0] for row in rows])
        plan = window_plan(rows)
        plan.batches[0] = plan.batches[0]._replace(read=np.arange(len(SHORT) + len(LONG)))
        given = encoder.encode_batch(plan.batches[0])
    torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("attention", "seen_after"), [([1], [False, True]), ([-1], [False, True]), ([0], [True, True])]
)
def test_a_list_names_the_layers_that_see_both_sides(
    tiny_llama: Path, attention: list[int], seen_after: list[bool]
) -> None:
    encoder = fresh(tiny_llama, attention=attention)
    states: list[torch.Tensor] = []
    for layer in encoder.llama.layers:
        # older versions of transformers give a tuple
        layer.register_forward_hook(lambda _, args, out: states.append(out[0] if isinstance(out, tuple) else out))
    for rows, groups in CASES:
        states.clear()
        shifts(encoder, rows, groups)
        before, after = states[:2], states[2:]
        moved = [float((b - a)[0, 0].abs().max()) for b, a in zip(before, after, strict=True)]
        assert [shift > 1e-2 for shift in moved] == seen_after
        assert all(seen or shift < 1e-5 for shift, seen in zip(moved, seen_after, strict=True))


def test_an_empty_list_is_causal_and_a_full_one_bidirectional(tiny_llama: Path) -> None:
    check_sees_left_only(fresh(tiny_llama, attention=[]))
    check_sees_right(fresh(tiny_llama, attention=[0, 1]))


def test_names_of_layers() -> None:
    assert list(bidirectional_layers("bidirectional", 3)) == [0, 1, 2]
    assert list(bidirectional_layers("causal", 3)) == []
    assert list(bidirectional_layers([0, -1], 3)) == [0, 2]


@pytest.mark.parametrize("attention", [[2], [-3], ["top"], "sideways"])
def test_layers_that_are_not_there_are_refused(attention: Any) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        bidirectional_layers(attention, 2)


CPU = torch.device("cpu")
LENGTHS = [1, 2, 2, 5, 5]


def make_batch(groups: list[slice]) -> Batch:
    lengths = np.asarray(LENGTHS, dtype="int64")
    return Batch(np.arange(lengths.sum()), lengths, groups, np.zeros(0, dtype="int64"))


def test_positions_start_anew_in_each_window() -> None:
    assert positions(make_batch([slice(0, 5)])).tolist() == [0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_padding_comes_and_goes() -> None:
    first, second = make_groups(make_batch([slice(0, 3), slice(3, 5)]), CPU)
    row = torch.arange(15.0)[:, None]
    padded = first.pad(row)
    assert padded.shape == (3, 2, 1)
    assert padded[:, :, 0][~first.padding].tolist() == [0, 1, 2, 3, 4]
    assert first.padding.tolist() == [[False, True], [False, False], [False, False]]
    assert first.unpad(padded).flatten().tolist() == [0, 1, 2, 3, 4]
    assert second.pad(row)[:, :, 0].tolist() == [[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]
    assert second.unpad(second.pad(row)).flatten().tolist() == list(range(5, 15))


def test_windows_of_one_length_need_no_mask() -> None:
    groups = make_groups(make_batch([slice(0, 1), slice(1, 3), slice(3, 5)]), CPU)
    assert [group.padding for group in groups] == [None, None, None]
