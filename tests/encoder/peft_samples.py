"""Adapters that peft itself has made, and what it says of a text with them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MODELS = {
    "decoder": ("AutoModel", "FEATURE_EXTRACTION"),
    "causal_lm": ("AutoModelForCausalLM", "CAUSAL_LM"),
    "token_classification": ("AutoModelForTokenClassification", "TOKEN_CLS"),
}


@contextmanager
def whatever_peft_says() -> Iterator[None]:
    """It asks the newest transformers for things that these call deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def peft_adapter(base: Path, folder: Path, *, kind: str = "decoder", **settings: Any) -> Path:
    """Make an adapter whose second factors are no zeros, and have peft save it."""
    import transformers
    from peft import LoraConfig, get_peft_model

    name, task = MODELS[kind]
    model = getattr(transformers, name).from_pretrained(base)
    torch.manual_seed(0)
    with whatever_peft_says():
        adapted = get_peft_model(model, LoraConfig(task_type=task, **settings))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    adapted.save_pretrained(folder)
    return folder


def peft_states(base: Path, adapter: Path | None, ids: list[int], *, causal: bool) -> Tensor:
    """Hidden states [n_subwords, width] of one text by the decoder of transformers, under an adapter if given."""
    from peft import PeftModel
    from transformers import AutoModel

    model: Any = AutoModel.from_pretrained(base)
    if adapter is not None:
        with whatever_peft_says():
            model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    shape = (1, 1, len(ids), len(ids))
    mask = torch.full(shape, torch.finfo(torch.float32).min).triu(1) if causal else torch.zeros(shape)
    with torch.inference_mode():
        states: Tensor = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
    return states
