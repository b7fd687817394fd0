"""From nothing to the first entity, one short doc at a time, and what a second pipeline costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import torch
from spacy.language import Language

from spacy_llama_ner.encoder.architecture import plan_docs

from .corpus import Sentences
from .results import Table
from .setting import encoder_of, make_docs, make_pipeline, tok2vec_of

START = """
import json, sys, time
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
start = time.perf_counter()
import spacy
nlp = spacy.load(sys.argv[1])
loaded = time.perf_counter() - start
nlp("Ada Lovelace lives in London.")
first = time.perf_counter() - start
before = resident()
second = spacy.load(sys.argv[1])
second("Ada Lovelace lives in London.")
print(json.dumps({"load": loaded, "first": first, "resident": before, "second": resident() - before}))
"""


def measure(base: str, sentences: Sentences, *, rounds: int) -> Table:
    """Medians of `rounds` fresh processes; single docs in turns with the bare encoder on the same subwords."""
    nlp = make_pipeline(base)
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
        runs = [_fresh(folder) for _ in range(rounds)]
    middle = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
    alone, bare = _single(nlp, [words for words in sentences if 5 <= len(words) <= 20][:100])
    rows = [
        ["spacy.load, base cached", f"{middle['load']:.2f} s"],
        ["import of spaCy to the first entity", f"{middle['first']:.2f} s"],
        ["one short doc, p50 and p99", f"{alone[49] * 1e3:.0f} and {alone[98] * 1e3:.0f} ms"],
        ["the same over the bare encoder, p50", f"{alone[49] / bare[49]:.2f}"],
        ["resident memory with one pipeline", f"{middle['resident']:,.0f} MiB"],
        ["a second pipeline on the same base", f"+{100 * middle['second'] / middle['resident']:.1f}%"],
        ["size on disk", f"{size:.0f} MiB"],
    ]
    return Table(
        "Start, latency, memory", "Starts are medians of fresh processes; single docs ran in turns.", ["", ""], rows
    )


def _fresh(folder: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", START, folder], capture_output=True, encoding="utf8", check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@torch.inference_mode()
def _single(nlp: Language, sentences: Sentences) -> tuple[list[float], list[float]]:
    """Percentiles of seconds a doc: through the pipeline, and through the encoder's module alone."""
    model, encoder = tok2vec_of(nlp), encoder_of(nlp).eval()
    alone, bare = [], []
    for doc in make_docs(nlp, sentences):
        plan = plan_docs(model, [doc])
        start = perf_counter()
        encoder(plan)
        middle = perf_counter()
        nlp(doc)
        alone.append(perf_counter() - middle)
        bare.append(middle - start)
    return quantiles(alone[5:], n=100), quantiles(bare[5:], n=100)
