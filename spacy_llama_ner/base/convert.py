"""GGUF to a folder of safetensors, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .cache import cache_dir, say
from .check import check_decoder
from .errors import BaseModelError
from .gguf_config import portable
from .gguf_file import open_gguf
from .gguf_rope import llama3_scaling
from .gguf_tokenizer import write_tokenizer

SOURCE = "source.json"
# counts changes of what a converted folder holds, so that no old one is taken for a new one
LAYOUT = 1


def converted_folder(gguf_sha256: str) -> Path:
    """Where the base lies that a GGUF file of this content becomes."""
    return cache_dir() / "bases" / f"{gguf_sha256[:16]}-v{LAYOUT}"


def is_converted(folder: Path) -> bool:
    """Whether a conversion was finished, and its result is still whole."""
    try:
        check_decoder(folder)
    except (BaseModelError, OSError):
        return False
    return (folder / SOURCE).is_file()


def convert(gguf: Path, folder: Path, *, source: dict[str, Any]) -> Path:
    """Write config, tokenizer and bfloat16 safetensors of a GGUF file to the new `folder`, and return it.

    source: where the file came from, kept as source.json beside them.
    The files are the same, byte for byte, whichever supported version of transformers writes them (but for
    tokenizers that are not byte-level BPE). Raises BaseModelError if the file is not a decoder that
    transformers can read.
    """
    reader = open_gguf(gguf)
    say(f"Converting {gguf.name} to safetensors, once (about 20 seconds per 100 million weights).")
    folder.mkdir()
    try:
        model = _load(gguf)
        # one file, whatever the version's idea of a shard is
        model.save_pretrained(folder, safe_serialization=True, max_shard_size="1000GB")
        write_tokenizer(reader, gguf, folder)
        config = portable(model.config.to_dict())
        if scaling := llama3_scaling(reader, theta=config["rope_theta"]):
            config["rope_scaling"] = scaling
    except OSError:
        raise
    except Exception as error:
        import transformers

        raise BaseModelError(
            f"{gguf.name} could not be converted by transformers {transformers.__version__} ({error}). A "
            "newer version may know this kind of file; else name a Hub id or a folder of safetensors."
        ) from error
    _tidy(folder, config)
    (folder / SOURCE).write_text(json.dumps(source, indent=2, sort_keys=True), encoding="utf8")
    check_decoder(folder)
    return folder


def _load(gguf: Path) -> Any:
    import torch
    import transformers

    how: dict[str, Any] = {"torch_dtype": torch.bfloat16}
    if hasattr(transformers, "GgufConfig"):
        how = {"dtype": torch.bfloat16, "quantization_config": transformers.GgufConfig(dequantize=True)}
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **how,
    )
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights of its own architecture, among them {missing[:3]}")
    return model


def _tidy(folder: Path, config: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf8")
    ends = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2), encoding="utf8")
    # safetensors writes for the owner alone, which a cache that several users share cannot use
    for file in folder.glob("*.safetensors"):
        file.chmod(path.stat().st_mode)
