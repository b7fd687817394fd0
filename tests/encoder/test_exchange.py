"""An adapter of peft's gives the same vectors here, and one of ours there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from thinc.api import Model

from spacy_llama_ner.encoder import LlamaEncoder, TransformerEncoder
from spacy_llama_ner.encoder.adapter import CONFIG, AdapterError, read_adapter
from spacy_llama_ner.encoder.alignment import align
from spacy_llama_ner.encoder.exchange import load_adapter, write_adapter

from ..conftest import build_tiny_llama
from .peft_samples import peft_adapter, peft_states
from .samples import make_docs, make_encoder, stir, window_plan

DOC = make_docs("UN praises Danish plan to protect Baltic seals")[0]


def states(model: Model) -> torch.Tensor:
    """What an encoder gives for each subword of `DOC`."""
    module = model.shims[0].module.eval()
    (alignment,) = align([DOC], module.tokenizer)
    (batch,) = window_plan([alignment.ids.tolist()]).batches
    with torch.inference_mode():
        return module.hidden_states(batch, torch.device("cpu"))


def subwords(model: Model) -> list[int]:
    (alignment,) = align([DOC], model.shims[0].module.tokenizer)
    return alignment.ids.tolist()


def with_adapter(base: Path, folder: Path, **settings: Any) -> Model:
    adapter = read_adapter(folder)
    model = LlamaEncoder(str(base), lora=asdict(adapter.lora), dtype="float32", **settings)
    model.initialize()
    load_adapter(model.shims[0].module, adapter)
    return model


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("decoder", {"target_modules": "all-linear"}),
        ("decoder", {"target_modules": ["q_proj", "up_proj"], "r": 4, "lora_alpha": 12}),
        ("decoder", {"target_modules": ["v_proj"], "use_rslora": True, "lora_alpha": 3}),
        ("causal_lm", {"target_modules": ["v_proj", "o_proj"], "layers_to_transform": [1]}),
    ],
)
def test_what_peft_trained_reads_the_same_here(
    tiny_llama: Path, tmp_path: Path, attention: Any, kind: str, settings: dict[str, Any]
) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "adapter", kind=kind, **settings)
    model = with_adapter(tiny_llama, folder, attention=attention)
    if kind == "causal_lm":
        # so that the bare decoder of transformers can be asked
        (folder / "again").mkdir()
        folder = folder / "again"
        write_adapter(model.shims[0].module, model.attrs["settings"], folder)
    expected = peft_states(tiny_llama, folder, subwords(model), causal=attention == "causal")
    torch.testing.assert_close(states(model), expected, atol=1e-5, rtol=1e-4)
    bare = peft_states(tiny_llama, None, subwords(model), causal=attention == "causal")
    assert (states(model) - bare).abs().max() > 1e-2


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("lora", "targets"),
    [
        ({"rank": 4, "alpha": 8.0}, 7),
        ({"rank": 2, "alpha": 3.5, "target_modules": ["q_proj", "v_proj"]}, 2),
        ({"rank": 2, "target_modules": ["q_proj", "v_proj"], "layers": [-1]}, 2),
        ({"rank": 2, "layers": [0]}, 7),
    ],
)
def test_what_is_trained_here_reads_the_same_in_peft(
    tiny_llama: Path, tmp_path: Path, attention: str, lora: dict[str, Any], targets: int
) -> None:
    model = make_encoder(tiny_llama, lora=lora, attention=attention)
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    expected = peft_states(tiny_llama, tmp_path, subwords(model), causal=attention == "causal")
    torch.testing.assert_close(states(model), expected, atol=1e-5, rtol=1e-4)
    config = json.loads((tmp_path / CONFIG).read_text(encoding="utf8"))
    assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (
        lora["rank"],
        lora.get("alpha", 32.0),
        True,
    )
    assert len(config["target_modules"]) == targets


def test_there_and_back_nothing_is_lost(tiny_llama: Path, tmp_path: Path) -> None:
    model = make_encoder(tiny_llama, lora={"rank": 4, "alpha": 8.0, "dropout": 0.1, "layers": [1]})
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    again = with_adapter(tiny_llama, tmp_path)
    assert torch.equal(states(again), states(model))
    settings = again.attrs["settings"].lora
    assert (settings.rank, settings.alpha, settings.dropout, settings.layers) == (4, 8.0, 0.1, [1])


def test_encoders_of_the_bert_family_too(tiny_bert: Path, tmp_path: Path) -> None:
    """Several of their modules end in the same name."""
    lora = {"rank": 2, "target_modules": ["query", "dense"]}
    model = TransformerEncoder(str(tiny_bert), lora=lora, dtype="float32")
    model.initialize()
    stir(model.shims[0].module)
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    adapter = read_adapter(tmp_path)
    again = TransformerEncoder(str(tiny_bert), lora=asdict(adapter.lora), dtype="float32")
    again.initialize()
    load_adapter(again.shims[0].module, adapter)
    torch.testing.assert_close(*(torch.from_numpy(each.predict([DOC])[0]) for each in (again, model)))


@pytest.mark.parametrize(
    ("settings", "said"), [({"lora": None}, "lora = null"), ({"unfreeze_layers": 1}, "layers = 1")]
)
def test_what_peft_has_no_place_for_is_refused(
    tiny_llama: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    model = make_encoder(tiny_llama, **settings)
    with pytest.raises(AdapterError, match=f"{said}.* Save the whole pipeline"):
        write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_adapter_of_another_base_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    other = build_tiny_llama(tmp_path / "other", hidden_size=16)
    folder = peft_adapter(other, tmp_path / "adapter", target_modules=["q_proj"])
    with pytest.raises(
        AdapterError, match=r"(?s)does not fit this base, having been trained on .*other.*another shape"
    ):
        with_adapter(tiny_llama, folder)
