"""The config of active learning and of budget experiments: a training config with a block [active] or [budget].

`read_active_config` reads one, `ActiveLearningConfig` resolves its parts, `read_nonempty_docs` reads the corpora that
it names, and `config_fingerprint` tells whether two runs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from spacy.language import DEFAULT_CONFIG, Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import dict_to_dot, load_config, load_model_from_config, registry, resolve_dot_names
from spacy.vocab import Vocab
from thinc.api import Config

from ..base.cache import file_sha256
from ..data.docbin import corpus_errors, docbin_files
from ..data.errors import LlamaNERError
from ..pipeline.llama_ner import find_components

Reader = Callable[[Language], Iterable[Example]]

BLOCKS = ("active", "budget")
# settings of a block that name corpora
CORPORA = ("pool", "silver", "gold", "oracle.path")
# files whose content is part of a fingerprint: corpora, and the vectors that `llama-ner encode` computes for them
CONTENT_SUFFIXES = (".spacy", ".safetensors")


class ConfigError(LlamaNERError):
    """A config, or a corpus that it names, which cannot be used."""


@dataclass(frozen=True)
class ActiveLearningConfig:
    """A training config with a block of this package.

    Attributes:
        config: The whole config, interpolated, with all defaults of the block.
        block: Name of the block, "active" or "budget".
    """

    config: Config
    block: str

    @cached_property
    def settings(self) -> Any:
        """The block, resolved: an `ActiveLearning` or a `Budget`."""
        return self.resolve_block()

    def resolve_block(self) -> Any:
        """Resolve the block anew, with an optimizer that has not counted any step."""
        return registry.resolve({self.block: self.config[self.block]})[self.block]

    def resolve_training(self) -> dict[str, Any]:
        """Resolve [training] with spaCy's defaults, with an optimizer that has not counted any step."""
        return registry.resolve(self._training, schema=ConfigSchemaTraining)

    @cached_property
    def _training(self) -> Config:
        return Config(self.make_pipeline().config.interpolate()["training"])

    @property
    def seed(self) -> int:
        """The seed of [training]; 0 where that is null, since the same run has to come out again."""
        return int(self.config["training"]["seed"] or 0)

    @cached_property
    def vocab(self) -> Vocab:
        """A vocabulary for docs. Each pipeline has its own, which holds what it has been trained on and no more."""
        return self.make_pipeline().vocab

    def make_pipeline(self) -> Language:
        """Make the pipeline of the config, untrained."""
        return blank_pipeline(self.config)

    def check_encoder(self) -> None:
        """Check that the base, and a file of its vectors if one is named, can be read and fit.

        Raises:
            ValueError: If not. OSError as well.
        """
        for ner in find_components(self.make_pipeline()).values():
            tok2vec = ner.model.get_ref("tok2vec")
            if "settings" in tok2vec.attrs:
                tok2vec.initialize()

    def read_dev(self, nlp: Language) -> list[Example]:
        """Read fresh examples of the corpus that `training.dev_corpus` names.

        Raises:
            ConfigError: If the corpus cannot be read, or has no entity.
        """
        name = self.config["training"]["dev_corpus"]
        (reader,) = cast(Sequence[Reader], resolve_dot_names(self.config, [name]))
        with corpus_errors(name, ConfigError):
            examples = list(reader(nlp))
        if not any(eg.reference.ents for eg in examples):
            raise ConfigError(
                f"The corpus {name} ({len(examples)} docs) has no gold entity. Give gold data (paths.dev)."
            )
        return examples


def read_active_config(path: Path, overrides: dict[str, Any], *, block: str) -> ActiveLearningConfig:
    """Read a config with its overrides, and fill its block with defaults.

    Args:
        path: Config file.
        overrides: Values by dotted names, as for `spacy train`.
        block: Which block is wanted, "active" or "budget".

    Raises:
        ConfigError: If the block is missing, or [training] has settings that spaCy does not know.
        ConfigValidationError: If the config is wrong, as everywhere in spaCy.
    """
    config = load_config(path, overrides=deepcopy(overrides), interpolate=True)
    if block not in config:
        raise ConfigError(f"The config {path} has no block [{block}]. Start from configs/active.cfg, which has one.")
    # spaCy leaves them out when it fills a config, so that a mistyped one would have no effect
    unknown = sorted(config.get("training", {}).keys() - DEFAULT_CONFIG["training"].keys())
    if unknown:
        names = ", ".join(f"training.{name}" for name in unknown)
        raise ConfigError(f"spaCy does not know {names}. Correct the name in {path} or among the options.")
    filled = registry.fill({block: config[block]})
    return ActiveLearningConfig(Config({**config, block: filled[block]}), block)


def blank_pipeline(config: Config) -> Language:
    """Make the pipeline of an interpolated config, untrained, without the blocks of this package."""
    own = Config({name: section for name, section in config.items() if name not in BLOCKS})
    return load_model_from_config(own, auto_fill=True)


def read_nonempty_docs(path: str | Path | None, vocab: Vocab, *, what: str) -> list[Doc]:
    """Read the docs with words of a .spacy file, or of a folder of them.

    Args:
        path: File or folder; None for no corpus.
        vocab: Vocabulary of the docs.
        what: Name of the corpus in [paths], for messages.

    Raises:
        ConfigError: If the corpus does not exist, cannot be read, or has no doc with words.
    """
    if path is None:
        return []
    if not Path(path).exists():
        raise ConfigError(f"The corpus {path} does not exist. Give a .spacy file or a folder of them (paths.{what}).")
    with corpus_errors(path, ConfigError):
        docs = [doc for file in docbin_files(Path(path)) for doc in DocBin().from_disk(file).get_docs(vocab)]
    if not any(len(doc) for doc in docs):
        raise ConfigError(f"The corpus {path} holds no doc. Give one with docs (paths.{what}).")
    return [doc for doc in docs if len(doc)]


def config_fingerprint(config: ActiveLearningConfig, *, ignore: Collection[str] = ()) -> dict[str, Any]:
    """Say what tells a run from others: its settings, and what its corpora contain.

    Args:
        config: Config of the run.
        ignore: Settings of the block that may change when a run is continued.

    Returns:
        All settings by their dotted names, without those of the other block, and as "content of NAME" the SHA-256
        digests of the corpora that [paths] and the block name.
    """
    other_blocks = {*BLOCKS} - {config.block}
    ignored = {f"{config.block}.{name}" for name in ignore}
    settings = {
        name: value
        for name, value in dict_to_dot(config.config).items()
        if name.split(".")[0] not in other_blocks and name not in ignored
    }
    # of the block, the corpora alone: an oracle may have a folder that fills as the run goes on
    corpora = {f"{config.block}.{each}" for each in CORPORA}
    named = {name: value for name, value in settings.items() if name.startswith("paths.") or name in corpora}
    digests = {name: _digests(Path(value)) for name, value in named.items() if isinstance(value, str)}
    return {**settings, **{f"content of {name}": found for name, found in digests.items() if found}}


def _digests(path: Path) -> list[str]:
    if path.suffix not in CONTENT_SUFFIXES and not path.is_dir():
        return []
    return [file_sha256(file) for file in docbin_files(path)]
