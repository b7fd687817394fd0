"""What encoders of all kinds do: batches of subwords in, one vector a word out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.util import logger
from thinc.util import get_torch_default_device
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..base.load import Decoder, Pretrained, layers_of, load_shared, own_copy
from .attention import Group, make_groups, positions, remove_causal_mask
from .base_reference import BaseReference
from .batching import Batch, BatchPlan, WindowFormat, special_ids
from .lora import add_lora, merged_copy
from .settings import DecoderSettings, Settings, compute_dtype
from .vector_cache import VectorCache, VectorFile, VectorFileError


@dataclass(frozen=True)
class SharedBase:
    """What an encoder stands on: not a submodule of it, and shared by its copies.

    base: the base as all encoders in this process share it; kept here so that it lives as long as they do.
    tokenizer: cuts text into the subwords that the base knows.
    dtype: number format of matrix products.
    saved: what `spec()` gives back: which base this is, the tokenizer's JSON, the base's files if they are kept.
    """

    base: Pretrained
    tokenizer: Tokenizer
    dtype: torch.dtype
    saved: dict[str, Any]

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedBase:
        return self


class WordEncoder(nn.Module):
    """A base that reads whole windows and gives each word one vector. Subclasses say how it reads."""

    def __init__(self, foundation: SharedBase) -> None:
        super().__init__()
        self.foundation = foundation
        self.ahead = VectorCache()
        self.encoded: VectorFile | None = None

    @property
    def base(self) -> Pretrained:
        """The base as it is without an adapter, shared with other encoders."""
        return self.foundation.base

    @property
    def width(self) -> int:
        """Size of a word vector."""
        return int(self.base.config.hidden_size)

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts text into the subwords that the base knows."""
        return self.foundation.tokenizer

    @property
    def dtype(self) -> torch.dtype:
        """Number format of matrix products."""
        return self.foundation.dtype

    @property
    def form(self) -> WindowFormat:
        """What windows have to look like."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next(self.parameters()).device

    def spec(self) -> dict[str, Any]:
        """Which base this is and how text is cut into its subwords."""
        return self.foundation.saved

    def forward(self, plan: BatchPlan) -> Tensor:
        """Word vectors of all docs in `plan`, one after the other, fp32 [n_words, width]."""
        words = torch.zeros(int(plan.n_words.sum()), self.width, device=self.device)
        index, row = (torch.from_numpy(links).to(self.device) for links in (plan.words, plan.rows))
        ends = np.cumsum([0, *(len(batch.read) for batch in plan.batches)])
        cuts = np.searchsorted(plan.rows, ends)
        for i, batch in enumerate(plan.batches):
            links = slice(cuts[i], cuts[i + 1])
            words.index_add_(0, index[links], self.read(batch)[row[links] - ends[i]])
        return words.div_(torch.bincount(index, minlength=len(words)).clamp(min=1)[:, None])

    def read(self, batch: Batch) -> Tensor:
        """Hidden states at `batch.read`, fp32 [n_read, width]."""
        device = self.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden = self.hidden_states(batch, device)
        return hidden[torch.from_numpy(batch.read).to(device)].float()

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        raise NotImplementedError


class Merged:
    """Holds on to a merged decoder that is not a submodule, and that a copy of its holder makes anew."""

    def __init__(self) -> None:
        self._llama: Decoder | None = None

    def of(self, llama: Decoder) -> Decoder:
        """The merged copy of `llama`."""
        if self._llama is None:
            self._llama = merged_copy(llama)
        return self._llama

    def drop(self) -> None:
        """Forget it, since the adapter is about to change."""
        self._llama = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Merged:
        return Merged()


# Only attention is padded; see `WindowFormat.cost_of_a_group`.
PACKED_GROUP_COST = 64


class PackedDecoder(WordEncoder):
    """A decoder whose windows lie one behind the other in a single row; only attention tells them apart.

    llama: the base with its adapter, made ready for packed windows by `remove_causal_mask`.
    merge: predict with the adapter merged into a copy of the weights, which is made when first needed and dropped
        when training goes on.
    """

    def __init__(self, llama: Decoder, foundation: SharedBase, *, merge: bool) -> None:
        super().__init__(foundation)
        self.llama = llama
        self._merge = merge
        self._merged = Merged()

    @property
    def form(self) -> WindowFormat:
        """What stands behind a text (`</s>`) a decoder only learned to write; it is left out."""
        prefix, _ = special_ids(self.tokenizer)
        return WindowFormat(prefix, [], PACKED_GROUP_COST)

    def train(self, mode: bool = True) -> PackedDecoder:
        """Switch between training and evaluation; whatever was merged is out of date after training."""
        if mode:
            self._merged.drop()
        super().train(mode)
        return self

    def _reader(self) -> Decoder:
        return self._merged.of(self.llama) if self._merge and not self.training else self.llama

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        return self.read_rows(batch, device)[0]

    def read_rows(self, batch: Batch, device: torch.device) -> Tensor:
        """The same as a row, [1, n_subwords, width]."""
        states: Tensor = self._reader()(
            input_ids=torch.from_numpy(batch.ids).to(device)[None],
            position_ids=positions(batch).to(device)[None],
            # a mask of four dimensions keeps transformers from building one
            attention_mask=torch.zeros(1, 1, 1, 1, dtype=self.dtype, device=device),
            use_cache=False,
            windows=make_groups(batch, device),
        ).last_hidden_state
        return states


# A group goes through all layers by itself, where few rows are slow; see `WindowFormat.cost_of_a_group`.
PADDED_GROUP_COST = 256


class PaddedEncoder(WordEncoder):
    """An encoder whose windows are padded where they differ a little; its own attention masks the padding.

    transformer: the base with its adapter.
    """

    def __init__(self, transformer: Pretrained, foundation: SharedBase) -> None:
        super().__init__(foundation)
        self.transformer = transformer

    @property
    def form(self) -> WindowFormat:
        """Every window between the special subwords of a text."""
        prefix, suffix = special_ids(self.tokenizer)
        return WindowFormat(prefix, suffix, PADDED_GROUP_COST)

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        ids = torch.from_numpy(batch.ids).to(device)
        return torch.cat([self._read_group(ids, group) for group in make_groups(batch, device)])

    def _read_group(self, ids: Tensor, group: Group) -> Tensor:
        windows = group.pad(ids)
        mask = torch.ones_like(windows)
        if group.padding is not None:
            # the RoBERTa family counts positions by what is not this subword
            windows = windows.masked_fill(group.padding, self.transformer.config.pad_token_id)
            mask = mask.masked_fill(group.padding, 0)
        return group.unpad(self.transformer(input_ids=windows, attention_mask=mask).last_hidden_state)


def build_new(settings: Settings) -> WordEncoder:
    """An encoder with a fresh adapter, on thinc's current device. Fetches the base if need be.

    Raises VectorFileError where a file of vectors is named that does not hold those of this encoder.
    """
    module = _build(settings, BaseReference.find(settings))
    module.encoded = _encoded(settings, module)
    return module


def build_saved(settings: Settings, spec: dict[str, Any]) -> WordEncoder:
    """The encoder that gave `spec`, but for its trained weights; without a file of vectors that does not fit it."""
    module = _build(settings, BaseReference.from_spec(settings, spec))
    try:
        module.encoded = _encoded(settings, module)
    except VectorFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            logger.warning("All texts are read anew. %s", error)
    return module


def _encoded(settings: Settings, module: WordEncoder) -> VectorFile | None:
    if not isinstance(settings, DecoderSettings) or settings.encoded is None:
        return None
    return VectorFile(Path(settings.encoded), reading_of(settings, module))


def _build(settings: Settings, origin: BaseReference) -> WordEncoder:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    quantization = settings.quantization if isinstance(settings, DecoderSettings) else None
    with origin.folder() as folder:
        shared = load_shared(folder, origin.fingerprint, dtype=dtype, device=device, quantization=quantization)
    _check_window(shared, settings.window)
    model = own_copy(shared)
    if isinstance(settings, DecoderSettings):
        _cut(model, settings.layer)
        remove_causal_mask(model, settings.attention)
    if settings.lora is not None:
        add_lora(model, settings.lora)
    _unfreeze(model, settings.unfreeze_layers)
    foundation = SharedBase(shared, shared_tokenizer(origin.tokenizer), dtype, origin.to_spec())
    if isinstance(settings, DecoderSettings):
        return PackedDecoder(model, foundation, merge=settings.merge)
    return PaddedEncoder(model, foundation)


@lru_cache(maxsize=2)
def shared_tokenizer(content: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, the same for all who stand on the same base: it takes some 15 MB."""
    tokenizer = Tokenizer.from_str(content)
    # some bases are published with these on, which would cut texts off
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _check_window(base: Pretrained, window: int) -> None:
    # the RoBERTa family begins to count behind the padding's number
    reserved = getattr(getattr(base, "embeddings", None), "padding_idx", -1) + 1
    positions = base.config.max_position_embeddings - reserved
    if window > positions:
        raise ValueError(f"window = {window}, but the base knows only {positions} positions. Give fewer subwords.")
    sliding = getattr(base.config, "sliding_window", None)
    if sliding is not None and window > sliding:
        raise ValueError(
            f"window = {window}, but layers of this base see no farther than {sliding} subwords. Give fewer."
        )


def _cut(llama: Decoder, n_layers: int | None) -> None:
    if n_layers is None:
        return
    if n_layers > len(llama.layers):
        raise ValueError(f"layer = {n_layers}, but the base has {len(llama.layers)} layers. Give fewer or null.")
    llama.layers = llama.layers[:n_layers]
    llama.config.num_hidden_layers = n_layers


def _unfreeze(model: Pretrained, n_layers: int) -> None:
    """Give the top layers fp32 weights of their own, to be trained in full."""
    _, layers = layers_of(model)
    if n_layers > len(layers):
        raise ValueError(f"unfreeze_layers = {n_layers}, but the encoder runs only {len(layers)} layers.")
    for layer in layers[len(layers) - n_layers :]:
        for module in layer.modules():
            for name, parameter in module.named_parameters(recurse=False):
                own = parameter.detach().float().clone()
                setattr(module, name, torch.nn.Parameter(own))


def reading_of(settings: DecoderSettings, module: WordEncoder) -> dict[str, Any]:
    """All that decides what vectors a frozen `module`, built from `settings`, gives."""
    spec = module.spec()
    tokenizer = hashlib.sha256(spec["tokenizer"].encode("utf8")).hexdigest()
    return {"base": spec["fingerprint"], "tokenizer": tokenizer, "dtype": str(module.dtype), **settings.reading}
