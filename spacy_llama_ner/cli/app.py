"""The command group that spaCy's own command line shows as `llama-ner`."""

from __future__ import annotations

from spacy.cli._util import app as spacy_app
from typer import Typer

app = Typer(name="llama-ner", help="Tools around the `llama_ner` component", no_args_is_help=True)

spacy_app.add_typer(app, name="llama-ner")
