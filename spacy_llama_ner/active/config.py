"""A training config with a block of this package's own, filled and resolved as spaCy does it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import dict_to_dot, load_config, load_model_from_config, registry, resolve_dot_names
from spacy.vocab import Vocab
from thinc.api import Config

from ..base.cache import file_sha256
from ..data.docbin import docbin_files
from ..data.errors import LlamaNERError
from ..pipeline.llama_ner import find_components

Reader = Callable[[Language], Iterable[Example]]
BLOCKS = ("active", "budget")


class ConfigError(LlamaNERError):
    """A config or a corpus that does not do for this."""


@dataclass(frozen=True)
class ActiveLearningConfig:
    """config: interpolated, with all defaults of the block. block: its name."""

    config: Config
    block: str

    @cached_property
    def settings(self) -> Any:
        """What the block says, resolved."""
        return self.fresh_settings()

    def fresh_settings(self) -> Any:
        """The same with an optimizer that has not counted any step."""
        return registry.resolve({self.block: self.config[self.block]})[self.block]

    def fresh_training(self) -> dict[str, Any]:
        """`[training]` with spaCy's defaults, resolved, with an optimizer that has not counted any step."""
        return registry.resolve(self._training, schema=ConfigSchemaTraining)

    @cached_property
    def _training(self) -> Config:
        return Config(self.blank().config.interpolate()["training"])

    @property
    def seed(self) -> int:
        """Of `[training]`; 0 where that is null, since the same run has to come out again."""
        return int(self.config["training"]["seed"] or 0)

    @cached_property
    def vocab(self) -> Vocab:
        """A vocabulary for docs. Each pipeline has its own, which knows what it has been trained on and no more."""
        return self.blank().vocab

    def blank(self) -> Language:
        """The pipeline of the config, untrained."""
        return blank_pipeline(self.config)

    def check_encoder(self) -> None:
        """Raise ValueError or OSError where the base, or a file of its vectors, is not there or does not fit."""
        for ner in find_components(self.blank()).values():
            tok2vec = ner.model.get_ref("tok2vec")
            if "settings" in tok2vec.attrs:
                tok2vec.initialize()

    def dev(self, nlp: Language) -> list[Example]:
        """Fresh examples of the corpus that `training.dev_corpus` names. Raises: PlanError where it has no entity."""
        name = self.config["training"]["dev_corpus"]
        (reader,) = cast(Sequence[Reader], resolve_dot_names(self.config, [name]))
        with _readable(name):
            examples = list(reader(nlp))
        if not any(eg.reference.ents for eg in examples):
            raise ConfigError(
                f"The corpus {name} ({len(examples)} docs) has no gold entity. Give gold data (paths.dev)."
            )
        return examples


def blank_pipeline(config: Config) -> Language:
    """The pipeline of an interpolated config, untrained, whatever blocks of this package's own are beside it."""
    own = Config({name: section for name, section in config.items() if name not in BLOCKS})
    return load_model_from_config(own, auto_fill=True)


def read_active_config(path: Path, overrides: dict[str, Any], *, block: str) -> ActiveLearningConfig:
    """Read a config with its overrides. Raises: PlanError where the block is missing, else as spaCy does."""
    config = load_config(path, overrides=deepcopy(overrides), interpolate=True)
    if block not in config:
        raise ConfigError(f"The config {path} has no block [{block}]. Start from configs/active.cfg, which has one.")
    filled = registry.fill({block: config[block]})
    return ActiveLearningConfig(Config({**config, block: filled[block]}), block)


def read_corpus(path: str | Path | None, vocab: Vocab, *, what: str) -> list[Doc]:
    """The docs with words of a .spacy file, or of a folder of them; none without a path.

    what: its name in `[paths]`. Raises: PlanError where there is no doc.
    """
    if path is None:
        return []
    if not Path(path).exists():
        raise ConfigError(f"The corpus {path} does not exist. Give a .spacy file or a folder of them (paths.{what}).")
    with _readable(path):
        docs = [doc for file in docbin_files(Path(path)) for doc in DocBin().from_disk(file).get_docs(vocab)]
    if not any(len(doc) for doc in docs):
        raise ConfigError(f"The corpus {path} holds no doc. Give one with docs (paths.{what}).")
    return [doc for doc in docs if len(doc)]


@contextmanager
def _readable(name: str | Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, zlib.error) as error:
        raise ConfigError(f"The corpus {name} cannot be read; is it whole? Convert it again.\n{error}") from error


CORPORA = ("pool", "silver", "gold", "oracle.path")
# a corpus, and what `llama-ner encode` has made of it
CONTENT = (".spacy", ".safetensors")


def facts_of(plan: ActiveLearningConfig, *, free: Collection[str] = ()) -> dict[str, Any]:
    """All settings by their dotted names, and the digests of the corpora in `[paths]` and in the block.

    free: settings of the block that may change from one start to the next.
    """
    other = {*BLOCKS} - {plan.block}
    settings = {
        name: value
        for name, value in dict_to_dot(plan.config).items()
        if name.split(".")[0] not in other and name not in {f"{plan.block}.{each}" for each in free}
    }
    # of the block, the corpora alone: an oracle may have a folder that fills as the run goes on
    corpora = {f"{plan.block}.{each}" for each in CORPORA}
    named = {name: value for name, value in settings.items() if name.startswith("paths.") or name in corpora}
    digests = {name: _digests(Path(value)) for name, value in named.items() if isinstance(value, str)}
    return {**settings, **{f"content of {name}": found for name, found in digests.items() if found}}


def _digests(path: Path) -> list[str]:
    if path.suffix not in CONTENT and not path.is_dir():
        return []
    return [file_sha256(file) for file in docbin_files(path)]
