"""The torch modules of encoders: batches of subwords in, one vector a word out.

`WordEncoder` pools vectors of subwords to vectors of words; how a base encodes windows is up to its two kinds,
`PackedDecoder` for decoders with the Llama layout and `PaddedEncoder` for the BERT family. `build_new_encoder` and
`build_saved_encoder` make them from settings.
"""

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

from ..base.load import Decoder, Pretrained, copy_sharing_weights, find_layers, load_shared
from ..data.errors import LlamaNERError
from .attention import WindowGroup, make_groups, positions, remove_causal_mask
from .base_reference import BaseReference
from .batching import Batch, BatchPlan, WindowFormat, special_ids
from .lora import MergeCache, add_lora
from .settings import DecoderSettings, Settings, compute_dtype
from .vector_cache import VectorCache, VectorFile, VectorFileError

# `WindowFormat.group_cost` of packed windows, of which only attention is padded
PACKED_GROUP_COST = 64
# and of padded ones: a group goes through all layers by itself, where few rows are slow
PADDED_GROUP_COST = 256


@dataclass(frozen=True)
class SharedBase:
    """What an encoder shares with its copies; it is no submodule of the encoder.

    Attributes:
        base: The base, shared by all encoders of this process; kept here so that it lives as long as they do.
        tokenizer: Cuts text into the subwords that the base knows.
        dtype: Number format of matrix products.
        spec: What a saved encoder is built from: reference to the base, the tokenizer's JSON, the base's files if
            they are kept.
    """

    base: Pretrained
    tokenizer: Tokenizer
    dtype: torch.dtype
    spec: dict[str, Any]

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedBase:
        return self


class WordEncoder(nn.Module):
    """Base class of encoders, which give each word one vector.

    Args:
        shared: The base and its tokenizer.

    Attributes:
        shared: The base and its tokenizer.
        cache: Vectors that a `llama_reader` has computed for docs on their way.
        vector_file: Vectors of a frozen encoder that were computed before, if there is such a file.
    """

    def __init__(self, shared: SharedBase) -> None:
        super().__init__()
        self.shared = shared
        self.cache = VectorCache()
        self.vector_file: VectorFile | None = None

    @property
    def base(self) -> Pretrained:
        """The base without an adapter, shared with other encoders."""
        return self.shared.base

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts text into the subwords that the base knows."""
        return self.shared.tokenizer

    @property
    def dtype(self) -> torch.dtype:
        """Number format of matrix products."""
        return self.shared.dtype

    @property
    def width(self) -> int:
        """Size of a word vector."""
        return int(self.base.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def window_format(self) -> WindowFormat:
        """What windows have to look like."""
        raise NotImplementedError

    def spec(self) -> dict[str, Any]:
        """What `build_saved_encoder` builds the encoder from, apart from settings and trained weights."""
        return self.shared.spec

    def forward(self, plan: BatchPlan) -> Tensor:
        """Encode docs.

        Args:
            plan: Batches of windows of the docs.

        Returns:
            Word vectors of all docs, one after the other, fp32 [n_words, width].
        """
        words = torch.zeros(int(plan.n_words.sum()), self.width, device=self.device)
        index, row = (torch.from_numpy(links).to(self.device) for links in (plan.words, plan.rows))
        ends = np.cumsum([0, *(len(batch.read) for batch in plan.batches)])
        cuts = np.searchsorted(plan.rows, ends)
        for i, batch in enumerate(plan.batches):
            links = slice(cuts[i], cuts[i + 1])
            words.index_add_(0, index[links], self.encode_batch(batch)[row[links] - ends[i]])
        return words.div_(torch.bincount(index, minlength=len(words)).clamp(min=1)[:, None])

    def encode_batch(self, batch: Batch) -> Tensor:
        """Encode a batch of windows.

        Args:
            batch: Packed windows.

        Returns:
            Hidden states at `batch.read`, fp32 [n_read, width].
        """
        device = self.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden = self.hidden_states(batch, device)
        return hidden[torch.from_numpy(batch.read).to(device)].float()

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Encode all subwords of a batch, [n_subwords, width]."""
        raise NotImplementedError


class PackedDecoder(WordEncoder):
    """A decoder whose windows are packed in a single row; only attention tells them apart.

    Args:
        llama: The base with its adapter, made ready for packed windows by `remove_causal_mask`.
        shared: The base without the adapter, and its tokenizer.
        merge: Whether to predict with the adapter merged into a copy of the weights, which is made when it is first
            needed and dropped when training goes on.
    """

    def __init__(self, llama: Decoder, shared: SharedBase, *, merge: bool) -> None:
        super().__init__(shared)
        self.llama = llama
        self._merge = merge
        self._merged = MergeCache()

    @property
    def window_format(self) -> WindowFormat:
        """Windows behind special subwords such as `<s>`.

        Those behind a text, such as `</s>`, are left out: a decoder has only learned to write them.
        """
        prefix, _ = special_ids(self.tokenizer)
        return WindowFormat(prefix, [], PACKED_GROUP_COST)

    def train(self, mode: bool = True) -> PackedDecoder:
        """Switch between training and evaluation; training makes a merged copy out of date."""
        if mode:
            self._merged.clear()
        super().train(mode)
        return self

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Encode all subwords of a batch, [n_subwords, width]."""
        return self.run_decoder(batch, device)[0]

    def run_decoder(self, batch: Batch, device: torch.device) -> Tensor:
        """Run the decoder on a packed row of windows, [1, n_subwords, width]."""
        states: Tensor = self._active_decoder()(
            input_ids=torch.from_numpy(batch.ids).to(device)[None],
            position_ids=positions(batch).to(device)[None],
            # a mask of four dimensions keeps transformers from building one
            attention_mask=torch.zeros(1, 1, 1, 1, dtype=self.dtype, device=device),
            use_cache=False,
            windows=make_groups(batch, device),
        ).last_hidden_state
        return states

    def _active_decoder(self) -> Decoder:
        return self._merged.get(self.llama) if self._merge and not self.training else self.llama


class PaddedEncoder(WordEncoder):
    """An encoder whose windows are padded to groups of one length; its own attention masks the padding.

    Args:
        transformer: The base with its adapter.
        shared: The base without the adapter, and its tokenizer.
    """

    def __init__(self, transformer: Pretrained, shared: SharedBase) -> None:
        super().__init__(shared)
        self.transformer = transformer

    @property
    def window_format(self) -> WindowFormat:
        """Windows between special subwords such as `[CLS]` and `[SEP]`."""
        prefix, suffix = special_ids(self.tokenizer)
        return WindowFormat(prefix, suffix, PADDED_GROUP_COST)

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Encode all subwords of a batch, [n_subwords, width]."""
        ids = torch.from_numpy(batch.ids).to(device)
        return torch.cat([self._encode_group(ids, group) for group in make_groups(batch, device)])

    def _encode_group(self, ids: Tensor, group: WindowGroup) -> Tensor:
        windows = group.pad(ids)
        mask = torch.ones_like(windows)
        if group.padding is not None:
            # the RoBERTa family gives positions to all subwords but this one
            windows = windows.masked_fill(group.padding, self.transformer.config.pad_token_id)
            mask = mask.masked_fill(group.padding, 0)
        return group.unpad(self.transformer(input_ids=windows, attention_mask=mask).last_hidden_state)


def build_new_encoder(settings: Settings) -> WordEncoder:
    """Build an encoder with a fresh adapter, on thinc's current device. Fetches the base if it is not here yet.

    Args:
        settings: Arguments of the architecture.

    Returns:
        The encoder.

    Raises:
        BaseModelError: If there is no such base, or it cannot be used.
        LlamaNERError: If settings ask for more than the base has.
        VectorFileError: If `settings` name a vector file that does not fit this encoder.
    """
    module = _build(settings, BaseReference.find(settings))
    module.vector_file = _open_vector_file(settings, module)
    return module


def build_saved_encoder(settings: Settings, spec: dict[str, Any]) -> WordEncoder:
    """Build an encoder as it was saved, apart from its trained weights.

    A vector file that is not there any more, or does not fit, is left out.

    Args:
        settings: Arguments of the architecture.
        spec: What `WordEncoder.spec` gave when the encoder was saved.

    Returns:
        The encoder.

    Raises:
        OSError: If the base is not found again.
        LlamaNERError: If the base is another one than the encoder was trained on.
    """
    module = _build(settings, BaseReference.from_spec(settings, spec))
    try:
        module.vector_file = _open_vector_file(settings, module)
    except VectorFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            logger.warning("No vectors are taken from a file, all are computed. %s", error)
    return module


def _build(settings: Settings, reference: BaseReference) -> WordEncoder:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    quantization = settings.quantization if isinstance(settings, DecoderSettings) else None
    with reference.folder() as folder:
        base = load_shared(folder, reference.fingerprint, dtype=dtype, device=device, quantization=quantization)
    _check_window(base, settings.window)
    model = copy_sharing_weights(base)
    if isinstance(settings, DecoderSettings):
        _cut_layers(model, settings.layer)
        remove_causal_mask(model, settings.attention)
    if settings.lora is not None:
        add_lora(model, settings.lora)
    _unfreeze_layers(model, settings.unfreeze_layers)
    shared = SharedBase(base, shared_tokenizer(reference.tokenizer), dtype, reference.to_spec())
    if isinstance(settings, DecoderSettings):
        return PackedDecoder(model, shared, merge=settings.merge)
    return PaddedEncoder(model, shared)


@lru_cache(maxsize=2)
def shared_tokenizer(content: str) -> Tokenizer:
    """Read the content of a tokenizer.json; encoders on the same base share the tokenizer, which takes some 15 MB."""
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
        raise LlamaNERError(f"window = {window}, but the base knows only {positions} positions. Give fewer subwords.")
    sliding = getattr(base.config, "sliding_window", None)
    if sliding is not None and window > sliding:
        raise LlamaNERError(
            f"window = {window}, but layers of this base see no farther than {sliding} subwords. Give fewer."
        )


def _cut_layers(llama: Decoder, n_layers: int | None) -> None:
    if n_layers is None:
        return
    if n_layers > len(llama.layers):
        raise LlamaNERError(f"layer = {n_layers}, but the base has {len(llama.layers)} layers. Give fewer or null.")
    llama.layers = llama.layers[:n_layers]
    llama.config.num_hidden_layers = n_layers


def _unfreeze_layers(model: Pretrained, n_layers: int) -> None:
    """Give the top layers fp32 weights of their own, to be trained in full."""
    _, layers = find_layers(model)
    if n_layers > len(layers):
        raise LlamaNERError(
            f"unfreeze_layers = {n_layers}, but the encoder runs only {len(layers)} layers. Give fewer."
        )
    for layer in layers[len(layers) - n_layers :]:
        for module in layer.modules():
            for name, parameter in module.named_parameters(recurse=False):
                own = parameter.detach().float().clone()
                setattr(module, name, torch.nn.Parameter(own))


def _open_vector_file(settings: Settings, module: WordEncoder) -> VectorFile | None:
    if not isinstance(settings, DecoderSettings) or settings.encoded is None:
        return None
    return VectorFile(Path(settings.encoded), vector_provenance(settings, module))


def vector_provenance(settings: DecoderSettings, module: WordEncoder) -> dict[str, Any]:
    """Describe all that the vectors of a frozen encoder depend on.

    Args:
        settings: The settings that it was built from.
        module: The encoder.

    Returns:
        Fingerprints of the base and the tokenizer, the number format, and the settings that count, in types that JSON
        knows.
    """
    spec = module.spec()
    tokenizer = hashlib.sha256(spec["tokenizer"].encode("utf8")).hexdigest()
    return {
        "base": spec["fingerprint"],
        "tokenizer": tokenizer,
        "dtype": str(module.dtype),
        **settings.forward_settings,
    }
