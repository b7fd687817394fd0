"""Classification of words beside generation: F1, answers that do not parse, speed and cost of training.

`python -m benchmarks.generation --data corpus/requests --data corpus/conll2003-sentences --output FOLDER` trains and
scores what FOLDER does not have yet, one JSON file a system, and writes `generation.md` and `generation.svg` there.
All systems stand on one base, learn with LoRA on all layers from the same texts, in batches of the same words, for
the same number of steps, and are scored as they are after the last one.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from thinc.api import Config

from benchmarks.generation_page import write_page
from spacy_llama_ner.base.locate import locate_base
from spacy_llama_ner.cli.inputs import read_examples, use_device
from spacy_llama_ner.evaluate.predict import predict_and_score
from spacy_llama_ner.evaluate.scorer import ENTS_ECE, ENTS_F, ENTS_P, ENTS_PER_TYPE, ENTS_R, PARSE_FAILURES, SPEED

CONFIGS = Path(__file__).parent.parent / "configs"
FORMATS = {"brackets": "spacy_llama_ner.InlineBrackets.v1", "BIO lines": "spacy_llama_ner.BioLines.v1"}
MEANINGS = {
    "PER": "a person",
    "ORG": "an organisation, such as a company, a team or a party",
    "LOC": "a place, such as a country, a city or a river",
    "MISC": "any other name, such as a nationality, an event or a work",
}
# the mask is removed in the upper half of the layers, as configs/requests.cfg has it
UPPER_HALF = "bidirectional above"
KEYS = (ENTS_P, ENTS_R, ENTS_F, ENTS_PER_TYPE, ENTS_ECE, PARSE_FAILURES, SPEED)


@dataclass(frozen=True)
class System:
    """One way to find entities.

    Attributes:
        by: "classification" or "generation".
        how: The attention of a classifier, or the format of a generator.
        tuned: Whether it is trained.
        constrained: For generation, whether only what parses may be generated.
    """

    by: str
    how: str
    tuned: bool = True
    constrained: bool = False

    @property
    def name(self) -> str:
        parts = [self.by, self.how]
        if self.by == "generation":
            parts += ["tuned" if self.tuned else "zero-shot", "constrained" if self.constrained else "free"]
        return ", ".join(parts)

    @property
    def file(self) -> str:
        return self.name.replace(", ", "-").replace(" ", "-").lower()


def systems() -> Iterator[System]:
    """List all systems; of two that differ in `constrained` alone, the second takes the weights of the first."""
    for attention in ("bidirectional", UPPER_HALF, "causal"):
        yield System("classification", attention)
    for format in FORMATS:
        for tuned in (False, True):
            for constrained in (True, False):
                yield System("generation", format, tuned, constrained)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder with train and test.spacy")
    parser.add_argument("--train", type=int, default=1000, help="texts of each that are learned from")
    parser.add_argument("--test", type=int, default=110, help="texts of each that are scored")
    parser.add_argument("--steps", type=int, default=120, help="of training, some 170 words each")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--gpu-id", type=int, default=-1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    use_device(args.gpu_id)
    results: dict[str, list[dict[str, Any]]] = {}
    for data in args.data:
        folder = args.output / data.name
        corpora = {
            name: sample_split(data, name, size, folder)
            for name, size in (("train", args.train), ("test", args.test))
        }
        run = partial(measure, folder=folder, corpora=corpora, base=args.base, steps=args.steps, gpu_id=args.gpu_id)
        results[data.name] = [
            read_or_run(folder / f"{system.file}.json", partial(run, system)) for system in systems()
        ]
    command = " ".join(["python -m benchmarks.generation", *sys.argv[1:]])
    write_page(args.output, command, results, texts=args.train, steps=args.steps)


def sample_split(data: Path, name: str, size: int, folder: Path) -> Path:
    """Write a DocBin of at most `size` docs, spread evenly over a split."""
    docs = list(DocBin().from_disk(data / f"{name}.spacy").get_docs(spacy.blank("en").vocab))
    step = max(1.0, len(docs) / size)
    chosen = [docs[int(i * step)] for i in range(min(size, len(docs)))]
    folder.mkdir(parents=True, exist_ok=True)
    DocBin(docs=chosen).to_disk(folder / f"{name}.spacy")
    return folder / f"{name}.spacy"


def read_or_run(file: Path, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a result from a file, or else get it from `run` and write it there."""
    if not file.exists():
        srsly.write_json(file, run())
    found: dict[str, Any] = srsly.read_json(file)
    return found


def measure(
    system: System, *, folder: Path, corpora: dict[str, Path], base: str, steps: int, gpu_id: int
) -> dict[str, Any]:
    """Train the system where its weights are not in `folder` yet, and score it."""
    print(f"{folder.name}: {system.name}", flush=True)
    weights = folder / replace(system, constrained=system.by == "generation").file
    if not (weights / "minutes.json").exists():
        nlp, minutes = train_system(system, make_config(system, corpora, base=base, steps=steps), gpu_id)
        nlp.to_disk(weights)
        srsly.write_json(weights / "minutes.json", minutes)
    switch = {"components.llama_ner_generative.model.constrained": system.constrained}
    nlp = spacy.load(weights, config=switch if system.by == "generation" else {})
    examples = read_examples(nlp, corpora["test"])
    # the first call makes what later ones use again
    list(nlp.pipe([eg.reference.text for eg in examples[:2]]))
    scores = predict_and_score(nlp, examples)
    return {
        "system": system.name,
        "by": system.by,
        "minutes": srsly.read_json(weights / "minutes.json"),
        "texts": len(examples),
        **{key: scores.get(key) for key in KEYS},
    }


def train_system(system: System, config: Config, gpu_id: int) -> tuple[Language, float]:
    """Train a pipeline, and measure how many minutes that takes, without the loading of the base."""
    nlp = init_nlp(config, use_gpu=gpu_id)
    start = perf_counter()
    if system.tuned:
        train(nlp, None, use_gpu=gpu_id)
    return nlp, (perf_counter() - start) / 60 if system.tuned else 0.0


def make_config(system: System, corpora: dict[str, Path], *, base: str, steps: int) -> Config:
    """Make the config of a system; one text is read in place of an evaluation on dev data."""
    is_generation = system.by == "generation"
    config = load_config(CONFIGS / ("generative.cfg" if is_generation else "requests.cfg"), interpolate=False)
    config["paths"] |= {"train": str(corpora["train"]), "dev": str(corpora["train"])}
    config["corpora"]["dev"]["limit"] = 1
    config["training"] |= {
        "eval_frequency": steps + 1,
        "patience": 0,
        "logger": {"@loggers": "spacy.ConsoleLogger.v1"},
    }
    config["training"]["optimizer"]["learn_rate"] |= {"total_steps": steps, "warmup_steps": steps // 12}
    if not is_generation:
        encoder = config["components"]["llama_ner"]["model"]["tok2vec"]
        n_layers = srsly.read_json(locate_base(base) / "config.json")["num_hidden_layers"]
        attention = list(range(-(n_layers // 2), 0)) if system.how == UPPER_HALF else system.how
        encoder |= {"base": base, "attention": attention, "merge": True}
        return config
    ner = config["components"]["llama_ner_generative"]
    ner["model"] |= {"base": base, "format": {"@misc": FORMATS[system.how]}}
    docs = DocBin().from_disk(corpora["train"]).get_docs(spacy.blank("en").vocab)
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    meanings = {**MEANINGS, **ner["descriptions"]}
    ner["descriptions"] = {label: meanings.get(label, "") for label in labels}
    return config


if __name__ == "__main__":
    main()
