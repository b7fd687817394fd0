"""Training on partly annotated docs: leave unknown tags open, cut the docs there, or take unknown words as O.

`python -m benchmarks.partial configs/requests.cfg --gold corpus/silver/gold.spacy --silver corpus/silver/silver.spacy
--dev corpus/conll2003-sentences/dev.spacy --test corpus/conll2003-sentences/test.spacy` trains one pipeline for each
way and seed, and writes partial.md. Options after these override the config, as in `spacy train`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import spacy
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin

from benchmarks.results import Table, write
from spacy_llama_ner.cli.inputs import read_docs, read_examples
from spacy_llama_ner.data.docs import annotated_mask, annotated_parts, merge_annotations, pair_by_words
from spacy_llama_ner.evaluate.predict import predict_and_score
from spacy_llama_ner.evaluate.scorer import ENTS_F, ENTS_P, ENTS_R

MISSING = "components.llama_ner.model.loss.missing"
# for each way: docs made of a partly annotated one, and what the loss does with missing words
WAYS: dict[str, tuple[Callable[[Doc], Iterable[Doc]], str]] = {
    "left open (partial-label CRF)": (lambda doc: [doc], "sum"),
    "cut in the loss, read whole": (lambda doc: [doc], "split"),
    "cut into docs": (annotated_parts, "sum"),
    "taken as O": (lambda doc: [unknown_as_outside(doc)], "sum"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="of a pipeline with a `llama_ner`")
    parser.add_argument("--gold", type=Path, required=True, help="training docs, known as a whole")
    parser.add_argument(
        "--silver", type=Path, help="other labels of the same docs: where they differ, nothing is known"
    )
    parser.add_argument(
        "--hide", type=float, default=0.5, help="without silver: share of entities and O words to hide"
    )
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="take so many docs alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "partial.md")
    args, rest = parser.parse_known_args()
    gold = list(read_docs(args.gold))[: args.limit]
    corpora: dict[str, tuple[list[Doc], str]] = {"all known (gold)": (gold, "sum")}
    if args.silver:
        pairs = [(doc, silver) for doc, silver in pair_by_words(gold, read_docs(args.silver)) if silver is not None]
        partial = [merge_annotations(pair) for pair in pairs]
        corpora = {"all known (gold)": ([doc for doc, _ in pairs], "sum")}
        corpora["silver as it is"] = ([silver for _, silver in pairs], "sum")
    else:
        rng = random.Random(0)
        partial = [hide_tags(doc, args.hide, rng) for doc in gold]
    for name, (make, missing) in WAYS.items():
        corpora[name] = ([part for doc in partial for part in make(doc)], missing)
    table = measure(corpora, args, parse_config_overrides(rest))
    known = sum(sum(annotated_mask(doc)) for doc in partial) / sum(len(doc) for doc in partial)
    print(table.to_markdown())
    command = " ".join(["python -m benchmarks.partial", *sys.argv[1:]])
    write(
        args.output,
        command,
        f"{len(partial):,} docs of {args.gold}, {100 * known:.0f}% of their words known",
        [table],
    )


def measure(corpora: dict[str, tuple[list[Doc], str]], args: argparse.Namespace, overrides: dict[str, Any]) -> Table:
    """Train on each corpus with each seed, and score the best pipeline on dev on the test data."""
    rows = []
    for name, (docs, missing) in corpora.items():
        scores = []
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                DocBin(docs=docs).to_disk(Path(folder) / "train.spacy")
                settings = {
                    "paths.train": str(Path(folder) / "train.spacy"),
                    "paths.dev": str(args.dev),
                    "system.seed": seed,
                    MISSING: missing,
                }
                train(args.config, Path(folder) / "out", overrides={**overrides, **settings})
                scores.append(score(Path(folder) / "out" / "model-best", args.test))
        words = sum(sum(annotated_mask(doc)) for doc in docs)
        rows.append(
            [name, f"{len(docs):,}", f"{words:,}", *(_spread([each[i] for each in scores]) for i in range(3))]
        )
    header = ["words that are not known", "docs", "known words", "test P", "R", "F1"]
    seeds = "One seed" if len(args.seeds) == 1 else f"Mean over {len(args.seeds)} seeds ± standard deviation"
    how = f"{seeds}; the best of each training on dev."
    return Table("Partly known docs", how, header, rows)


def score(model: Path, data: Path) -> list[float]:
    """Strict precision, recall and F1 on the docs of `data`, in percent."""
    nlp = spacy.load(model)
    scores = predict_and_score(nlp, read_examples(nlp, data))
    return [100 * scores[key] for key in (ENTS_P, ENTS_R, ENTS_F)]


def hide_tags(doc: Doc, share: float, rng: random.Random) -> Doc:
    """Copy a doc without the tags of a random share of its entities, and of its words outside of entities."""
    result = doc.copy()
    kept = [ent for ent in result.ents if rng.random() >= share]
    outside = [word for word in result if word.ent_iob == 2 and rng.random() >= share]
    result.set_ents(kept, outside=[result[word.i : word.i + 1] for word in outside], default="missing")
    return result


def unknown_as_outside(doc: Doc) -> Doc:
    """Copy a doc with O as the tag of words that have none."""
    result = doc.copy()
    result.set_ents(list(result.ents), default="outside")
    return result


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
