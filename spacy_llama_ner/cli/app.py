"""The command group `python -m spacy llama-ner`: its help, its errors, and the options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from spacy.cli._util import app as spacy_app
from typer import Argument, Option, Typer
from typer.core import TyperGroup
from wasabi import msg

from ..data.errors import LlamaNERError

# Every command, in the order of `--help`.
GROUPS = {
    "Data": ("convert", "conll2003", "pair"),
    "Train, evaluate, apply": ("encode", "evaluate", "calibrate", "difference", "report", "show", "apply"),
    "Language models": ("annotate", "generate", "compare-prompts"),
    "Experts": ("export", "import", "active-learn", "budget"),
    "Adapters and Hub": ("fetch", "export-adapter", "import-adapter", "push"),
}


class CommandGroup(TyperGroup):
    """Commands in groups, whose expected errors are messages.

    A LlamaNERError says what to do about an input, and an OSError which file cannot be read or written. Anything else
    is a bug and shows its traceback.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of `GROUPS`."""
        return [name for names in GROUPS.values() for name in names if name in self.commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section with the first line of each command's help for each of `GROUPS`."""
        width = max(map(len, self.commands))
        for group, names in GROUPS.items():
            with formatter.section(group):
                limit = formatter.width - width - 6
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(limit)) for name in names]
                )

    def invoke(self, ctx: Any) -> Any:
        """Run the command; print an expected error and exit with 1."""
        try:
            return super().invoke(ctx)
        except (LlamaNERError, OSError) as error:
            msg.fail(f"llama-ner {ctx.invoked_subcommand} stopped", str(error), exits=1)


app = Typer(
    name="llama-ner",
    help="Train, evaluate and apply named-entity recognition with Llamas, and make its data.",
    cls=CommandGroup,
    no_args_is_help=True,
)
spacy_app.add_typer(app, name="llama-ner")

# `@app.command(..., context_settings=CONFIG_OVERRIDES)` for a command that takes settings of a config, as
# --training.seed 1: they are in `ctx.args`, for `read_overrides`.
CONFIG_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

# Pipelines, configs and corpora
Pipeline = Annotated[str, Argument(help="Folder or package name of a trained pipeline")]
PipelineOutput = Annotated[Path, Argument(help="Folder for the pipeline")]
GoldData = Annotated[Path, Argument(help="Gold data: a .spacy file or a folder of them")]
DataFiles = Annotated[
    list[Path], Option("--data", "-d", help="A .spacy file or a folder of them. Repeat the option for more")
]
Texts = Annotated[Path, Argument(help="Texts: a .txt file (one a line), .jsonl, .parquet or .spacy")]
PageOutput = Annotated[Path, Argument(help="HTML file to write")]
SpacyOutput = Annotated[Path, Argument(help="The .spacy file to write")]
JsonOutput = Annotated[Path | None, Option("--output", "-o", help="JSON file for the scores")]
Lang = Annotated[str, Option("--lang", help="Language code of the tokenizer for raw text")]
TextKey = Annotated[str, Option("--text-key", "-tk", help="Field with the text in .jsonl and .parquet records")]
NSents = Annotated[
    int | None, Option("--n-sents", "-n", min=0, help="Sentences per doc; 0 for whole documents. Default: 1")
]
Revision = Annotated[str | None, Option("--revision", "-r", help="Branch, tag or commit of a Hub repository")]

# Running a pipeline
GpuId = Annotated[int, Option("--gpu-id", "-g", min=-1, help="GPU ID, or -1 for CPU")]
Code = Annotated[
    Path | None, Option("--code", "-c", help="Python file with your own registered functions, to import first")
]

# Asking a language model
LlmName = Annotated[str, Option("--model", "-m", help="Name of the language model on its server")]
BaseUrl = Annotated[
    str | None,
    Option(
        "--base-url",
        help="OpenAI-compatible server, such as http://localhost:8000/v1, or `local` to run the model in this "
        "process. Default: OpenAI",
    ),
]
KeyVariable = Annotated[str, Option("--key-variable", help="Environment variable that holds the server's API key")]
Timeout = Annotated[float, Option("--timeout", min=0.1, help="Seconds to wait for a reply")]
Concurrency = Annotated[int, Option("--concurrency", min=1, help="Requests to have open at a time")]
Attempts = Annotated[int, Option("--attempts", min=1, help="Replies to ask for until one is usable")]
Retries = Annotated[int, Option("--retries", min=0, help="Times to repeat a request that got no reply")]
MaxTokens = Annotated[
    int | None, Option("--max-tokens", min=1, help="Tokens of a reply at most. Default: by the text")
]
MaxFailed = Annotated[
    float, Option("--max-failed", min=0, max=1, help="Share of questions that may stay without a usable reply")
]
Examples = Annotated[
    Path | None, Option("--examples", help="Gold data (.spacy) to take solved examples from. Default: no examples")
]
Shots = Annotated[int, Option("--shots", min=1, help="Examples to show with each text")]

# Prices
Prices = Annotated[
    Path | None, Option("--prices", help="Price list, such as assets/prices.yml, to show what it costs")
]
SilverCost = Annotated[
    float, Option("--silver-cost", min=0, help="Cost of all silver labels, in the price list's currency")
]
