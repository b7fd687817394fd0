"""What a word sees. A model whose mask silently stays causal still trains and predicts, only worse, so every
way to build one is checked: the last subword of a window is changed, and the vector of the first must move."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer

from spacy_llama_ner.base.load import AttentionKernel, load_shared
from spacy_llama_ner.encoder import LlamaEncoder, build, module
from spacy_llama_ner.encoder.attention import bidirectional_layers, padding_mask
from spacy_llama_ner.encoder.module import WordEncoder

from .samples import FAMILIES, LORA, make_encoder, window_plan

SHORT, LONG = [20, 31, 42, 53, 64], [70, 81, 92, 103, 114, 125, 136, 147]
# batches of one and two windows, without and with padding; the first window is the one that is changed
CASES = [([SHORT], 0), ([SHORT], 3), ([SHORT, SHORT], 0), ([SHORT, LONG], 0), ([LONG, SHORT], 2)]
KERNELS = ("sdpa", "eager")
# the fused kernel cannot cap scores, as Gemma 2 does
BUILDS = [(kind, kernel) for kind in FAMILIES for kernel in KERNELS if (kind, kernel) != ("gemma2", "sdpa")]


def shifts(encoder: WordEncoder, rows: list[list[int]], padding: int) -> list[float]:
    """By how much the first vector of each window moves when the last subword of the first window is changed."""
    changed = [[*rows[0][:-1], rows[0][-1] + 100], *rows[1:]]
    with torch.inference_mode():
        before, after = (encoder(window_plan(content, padding=padding)) for content in (rows, changed))
    return (after - before).abs().amax(dim=1).tolist()


def check_sees_right(encoder: WordEncoder) -> None:
    for rows, padding in CASES:
        moved, *others = shifts(encoder, rows, padding)
        assert moved > 1e-2, (rows, padding)
        assert all(other < 1e-5 for other in others)


def check_sees_left_only(encoder: WordEncoder) -> None:
    for rows, padding in CASES:
        assert max(shifts(encoder, rows, padding)) < 1e-5, (rows, padding)


def use_kernel(monkeypatch: pytest.MonkeyPatch, kernel: AttentionKernel) -> None:
    def load(*args: Any, **kwargs: Any) -> Any:
        return load_shared(*args, **{**kwargs, "kernel": kernel})

    monkeypatch.setattr(build, "load_shared", load)


def fresh(base: Path, **settings: Any) -> WordEncoder:
    return make_encoder(base, **settings).shims[0].module.eval()


def saved_and_loaded(base: Path, **settings: Any) -> WordEncoder:
    data = make_encoder(base, **settings).to_bytes()
    model = LlamaEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings}).from_bytes(data)
    return model.shims[0].module.eval()


def merged(base: Path, **settings: Any) -> WordEncoder:
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
    tiny: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    kernel: AttentionKernel,
    make: Callable[..., WordEncoder],
) -> None:
    use_kernel(monkeypatch, kernel)
    encoder = make(tiny(kind))
    assert encoder.llama.config._attn_implementation == kernel
    check_sees_right(encoder)


@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_causal_attention_sees_the_left_side_only(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, kind: str, kernel: AttentionKernel
) -> None:
    use_kernel(monkeypatch, kernel)
    check_sees_left_only(fresh(tiny(kind), attention="causal"))
    check_sees_left_only(saved_and_loaded(tiny(kind), attention="causal"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_bf16_sees_both_sides(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, kernel: AttentionKernel) -> None:
    use_kernel(monkeypatch, kernel)
    check_sees_right(fresh(tiny_llama, dtype="bfloat16"))
    check_sees_left_only(fresh(tiny_llama, dtype="bfloat16", attention="causal"))


@pytest.mark.parametrize("flag", [False, True], ids=["plain mask", "plain mask and is_causal = False"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_check_catches_a_mask_left_causal(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, kernel: AttentionKernel, flag: bool
) -> None:
    """The usual slips: a two-dimensional padding mask, to which the decoder adds its triangle, and a flag."""
    use_kernel(monkeypatch, kernel)
    encoder = fresh(tiny_llama)
    check_sees_right(encoder)
    if flag:
        for layer in encoder.llama.layers:
            layer.self_attn.is_causal = False
    monkeypatch.setattr(
        module, "padding_mask", lambda lengths, *, width, dtype: (torch.arange(width) < lengths[:, None]).long()
    )
    with pytest.raises(AssertionError):
        check_sees_right(encoder)


@pytest.mark.parametrize("attention", ["bidirectional", "causal", [1]])
@pytest.mark.parametrize(("kind", "kernel"), BUILDS)
def test_what_stands_in_the_padding_is_never_seen(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, kind: str, kernel: AttentionKernel, attention: Any
) -> None:
    use_kernel(monkeypatch, kernel)
    encoder = fresh(tiny(kind), attention=attention)
    with torch.inference_mode():
        alone = encoder(window_plan([SHORT]))
        for filler in (1, 99):
            padded = encoder(window_plan([SHORT, LONG], padding=3, filler=filler))
            torch.testing.assert_close(padded[:1], alone, atol=1e-5, rtol=1e-5)


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
    for rows, padding in CASES:
        states.clear()
        shifts(encoder, rows, padding)
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


def test_padding_mask_hides_padding_and_nothing_else() -> None:
    mask = padding_mask(torch.tensor([2, 3]), width=3, dtype=torch.float32)
    lowest = torch.finfo(torch.float32).min
    assert mask.tolist() == [[[[0.0, 0.0, lowest]]], [[[0.0, 0.0, 0.0]]]]
