"""From nothing to the first entity, one short doc at a time, and what a second pipeline costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from spacy.language import Language

from benchmarks.corpus import Sentences
from benchmarks.results import Table
from benchmarks.setting import encoder_of, make_docs, make_pipeline, tok2vec_of
from spacy_llama_ner.encoder.architectures import plan_docs

START = """
import json, sys, time
def memory(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(field))
start = time.perf_counter()
times = {}
def lap(name): times[name] = time.perf_counter() - start - sum(times.values())
import spacy
lap("import of spaCy, and torch with it")
import peft, transformers.models.llama.modeling_llama
lap("import of transformers and peft")
nlp = spacy.load(sys.argv[1])
lap("spacy.load after that, base cached")
text = "Ada Lovelace lives in London."
nlp(text)
lap("first doc")
before = memory("VmRSS")
second = spacy.load(sys.argv[1])
second(text)
more = memory("VmRSS") - before
list(nlp.pipe([text] * 2000))
peak = memory("VmHWM")
print(json.dumps({"times": times, "resident": before, "second": more, "peak": peak}))
"""


def measure(base: str, sentences: Sentences, *, rounds: int) -> Table:
    """Medians of `rounds` fresh processes; single docs in turns with the bare encoder on the same subwords."""
    nlp = make_pipeline(base)
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
        runs = [_fresh(folder) for _ in range(rounds)]
    laps = {name: median(run["times"][name] for run in runs) for name in runs[0]["times"]}
    resident, second, peak = (median(run[key] for run in runs) for key in ("resident", "second", "peak"))
    alone, bare = _single(nlp, [words for words in sentences if 5 <= len(words) <= 20][:100])
    rows = [
        *([name, f"{seconds:.2f} s"] for name, seconds in laps.items()),
        ["all of these: from nothing to the first entity", f"{sum(laps.values()):.2f} s"],
        ["one short doc, p50 and p99", f"{alone[49] * 1e3:.0f} and {alone[98] * 1e3:.0f} ms"],
        ["the same over the bare encoder, p50", f"{alone[49] / bare[49]:.2f}"],
        ["resident memory with one pipeline", f"{resident:,.0f} MiB"],
        ["a second pipeline on the same base", f"+{100 * second / resident:.1f}%"],
        ["peak memory of both, over 2,000 docs", f"{peak:,.0f} MiB"],
        ["size on disk", f"{size:.0f} MiB"],
    ]
    return Table(
        "Start, latency, memory", "Starts are medians of fresh processes; single docs ran in turns.", ["", ""], rows
    )


def _fresh(folder: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", START, folder], capture_output=True, encoding="utf8", check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
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
