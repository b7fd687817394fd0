"""Adapters: components that are exported to a folder of a few MB, and added to pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import spacy
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from spacy.language import Language

from spacy_llama_ner.encoder.lora import LoRA
from spacy_llama_ner.encoder.peft_format import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterError
from spacy_llama_ner.pipeline.adapters import HEAD_FILE, _component_config, add_adapter, export_adapter
from tests.conftest import build_tiny_llama
from tests.encoder.peft_samples import peft_adapter
from tests.pipeline.samples import (
    CORPUS,
    encoder_module,
    ents,
    make_examples,
    make_nlp,
    parameter_addresses,
    scores,
    train,
)

TEXTS = [text for text, _ in CORPUS]
ENCODER = {"dtype": "float32", "window": 64, "stride": 48}


@pytest.fixture(scope="session")
def exported(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component of `trained_folder` as an adapter."""
    folder = tmp_path_factory.mktemp("exported") / "adapter"
    nlp = spacy.load(trained_folder)
    nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module.temperature = 1.5
    export_adapter(nlp, folder)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(copytree(exported, tmp_path / "adapter"))


def predictions(nlp: Language) -> list[list[tuple[str, str, float]]]:
    return [
        [(*entity, score) for entity, score in zip(ents(doc), scores(doc), strict=True)] for doc in nlp.pipe(TEXTS)
    ]


def change_head(folder: Path, **changes: Any) -> None:
    with safe_open(folder / HEAD_FILE, framework="pt") as file:
        metadata = json.loads(file.metadata()["llama_ner"]) | changes
    save_file(load_file(folder / HEAD_FILE), folder / HEAD_FILE, {"llama_ner": json.dumps(metadata)})


def assert_refused(folder: Path | str, match: str, **settings: Any) -> None:
    """Adding the adapter raises an error, and leaves the pipeline as it is."""
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match=match):
        add_adapter(nlp, folder, **settings)
    assert nlp.pipe_names == []


def test_an_adapter_predicts_what_the_component_predicted(exported: Path, trained_folder: Path) -> None:
    nlp, source = spacy.blank("en"), spacy.load(trained_folder)
    source.get_pipe("llama_ner").model.get_ref("head").shims[0].module.temperature = 1.5
    ner = add_adapter(nlp, exported, name="people")
    assert predictions(nlp) == predictions(source)
    assert ner.labels == ("DATE", "NAME")
    assert parameter_addresses(encoder_module(nlp, "people"), trainable=False) == parameter_addresses(
        encoder_module(source), trainable=False
    )


def test_an_adapter_is_three_files_without_the_base(exported: Path, tiny_llama: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD_FILE}
    weights = sum(path.stat().st_size for path in exported.iterdir())
    assert weights < (tiny_llama / "model.safetensors").stat().st_size


def test_all_files_have_the_same_permissions(exported: Path) -> None:
    assert len({file.stat().st_mode for file in exported.iterdir()}) == 1


def test_an_added_component_is_saved_and_can_be_trained_further(exported: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    add_adapter(nlp, exported)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert predictions(again) == predictions(nlp)
    assert again.update(make_examples(again), sgd=again.resume_training())["llama_ner"] < 0.5


def test_an_adapter_of_pefts_gets_a_fresh_head(
    tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "peft", target_modules=["q_proj", "v_proj"])
    nlp, bare = spacy.blank("en"), make_nlp(tiny_llama, tok2vec={"lora": None})
    ner = add_adapter(nlp, folder, labels=["DATE", "NAME"], config={"model": {"tok2vec": ENCODER}})
    assert ner.labels == ("DATE", "NAME") and ner.is_initialized
    assert ner.model.get_ref("tok2vec").attrs["settings"].base == str(tiny_llama)
    train(bare, make_examples(bare), steps=1)
    mine, plain = (each.get_pipe("llama_ner").model.get_ref("tok2vec") for each in (nlp, bare))
    assert caplog.text == ""
    doc = nlp.make_doc(TEXTS[0])
    assert abs(mine.predict([doc])[0] - plain.predict([doc])[0]).max() > 0.01
    assert nlp.update(make_examples(nlp), sgd=nlp.resume_training())["llama_ner"] > 0


def test_the_base_has_the_revision_of_an_adapter_of_pefts() -> None:
    lora = LoRA(4, 8.0, 0.0, None, None)
    pinned = Adapter(lora, "acme/base", "v1", {}, [])

    def tok2vec(**given: Any) -> dict[str, Any]:
        found: dict[str, Any] = _component_config(pinned, None, {"model": {"tok2vec": given}})["model"]["tok2vec"]
        return {key: found.get(key) for key in ("base", "revision")}

    assert tok2vec() == tok2vec(base="acme/base") == {"base": "acme/base", "revision": "v1"}
    assert tok2vec(revision="v2") == {"base": "acme/base", "revision": "v2"}
    assert tok2vec(base="acme/other") == {"base": "acme/other", "revision": None}


def test_a_head_of_pefts_is_ignored_with_a_warning(
    tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "peft", kind="token_classification", target_modules=["q_proj"])
    nlp = spacy.blank("en")
    with caplog.at_level("WARNING", logger="spacy"):
        add_adapter(nlp, folder, labels=["NAME"], config={"model": {"tok2vec": ENCODER}})
    assert "has a head that is ignored: base_model.model.score" in caplog.text


def test_settings_of_the_component_may_be_changed(exported: Path) -> None:
    nlp = spacy.blank("en")
    config = {"spans_key": "people", "model": {"tok2vec": {"merge": True}}}
    ner = add_adapter(nlp, exported, name="people", config=config)
    assert ner.spans_key == "people"
    assert ner.model.get_ref("tok2vec").attrs["settings"].merge
    assert nlp.config["components"]["people"]["model"]["tok2vec"]["merge"] is True


def test_a_missing_adapter_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", "There is no adapter in .*nowhere")
    assert_refused("acme/pii", "The adapter 'acme/pii' is not available: HF_HUB_OFFLINE")
    assert_refused(
        "acme/pii", "The adapter 'acme/pii' at revision 'v2' is not available.* `hf download", revision="v2"
    )


def test_a_revision_of_a_folder_is_refused(folder: Path) -> None:
    assert_refused(folder, "revision = 'v2' is for a Hub repository", revision="v2")


def test_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    """One of the same shape, and one of another."""
    twin = build_tiny_llama(tmp_path / "twin", rope_theta=500.0)
    small = build_tiny_llama(tmp_path / "small", hidden_size=16)
    for base in (twin, small):
        config = {"model": {"tok2vec": {"base": str(base)}}}
        assert_refused(
            folder, r"was trained on .* with the fingerprint \w{12}\. The base here has \w{12}", config=config
        )


def test_a_copy_of_the_base_elsewhere_is_accepted(folder: Path, tiny_llama: Path, tmp_path: Path) -> None:
    base = copytree(tiny_llama, tmp_path / "copy")
    nlp = spacy.blank("en")
    add_adapter(nlp, folder, config={"model": {"tok2vec": {"base": str(base)}}})
    assert ents(nlp(TEXTS[0])) == CORPUS[0][1]


def test_a_missing_base_is_refused(folder: Path, tmp_path: Path) -> None:
    config = {"model": {"tok2vec": {"base": str(tmp_path / "gone")}}}
    assert_refused(folder, "There is no base .*gone", config=config)


def test_another_rank_is_refused(folder: Path) -> None:
    lora = {"model": {"tok2vec": {"lora": {"rank": 16}}}}
    assert_refused(folder, r"lora = .*16.* was given, but the adapter has its own shape", config=lora)
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf8"))
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config | {"r": 16}), encoding="utf8")
    assert_refused(folder, r"says r = 16, but the weights beside it have the ranks \[4\]")


def test_labels_that_are_not_its_own_are_refused(folder: Path, tiny_llama: Path, tmp_path: Path) -> None:
    assert_refused(folder, r"a head for the labels \['DATE', 'NAME'\], but \['NAME'\] were given", labels=["NAME"])
    assert_refused(
        peft_adapter(tiny_llama, tmp_path / "peft", target_modules=["q_proj"]), "comes without a head .* Give the"
    )


def test_labels_that_another_component_sets_are_refused(folder: Path, nlp: Language) -> None:
    with pytest.raises(AdapterError, match=r"'llama_ner' sets entities with the labels \['DATE', 'NAME'\] already"):
        add_adapter(nlp, folder, name="second")
    assert nlp.pipe_names == ["llama_ner"]
    add_adapter(nlp, folder, name="second", config={"overwrite": None, "spans_key": "second"})
    doc = nlp(TEXTS[0])
    assert [(span.text, span.label_) for span in doc.spans["second"]] == ents(doc) == CORPUS[0][1]


@pytest.mark.parametrize("keep", [0, 9, 200])
def test_a_damaged_head_is_refused(folder: Path, keep: int) -> None:
    (folder / HEAD_FILE).write_bytes((folder / HEAD_FILE).read_bytes()[:keep])
    assert_refused(folder, r"llama_ner.safetensors is damaged .* Copy the adapter again")


def test_a_head_that_does_not_fit_is_refused(folder: Path) -> None:
    change_head(folder, labels=["NAME"])
    assert_refused(folder, "of another shape")


@pytest.mark.parametrize("name", ["tagger", "sentencizer"])
def test_only_a_trained_llama_ner_can_be_exported(blank: Language, tmp_path: Path, name: str) -> None:
    blank.add_pipe("sentencizer")
    with pytest.raises(AdapterError, match=rf"'{name}' is no trained `llama_ner`. The pipeline has \['llama_ner'\]"):
        export_adapter(blank, tmp_path / "out", pipe=name)
    with pytest.raises(AdapterError, match="'llama_ner' is no trained"):
        export_adapter(blank, tmp_path / "out")


def test_other_word_vectors_cannot_be_exported(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    config = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 10, "window_size": 1}
    settings = {"maxout_pieces": 2, "subword_features": False, "pretrained_vectors": None}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": {**config, **settings}}})
    train(nlp, make_examples(nlp), steps=1)
    with pytest.raises(AdapterError, match="which has no adapter. Expected is LlamaEncoder.v1"):
        export_adapter(nlp, tmp_path / "out")


def test_an_output_that_is_something_else_stays_as_it_is(trained: Language, folder: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "note.txt").write_text("mine", encoding="utf8")
    for output in (taken, taken / "note.txt"):
        with pytest.raises(AdapterError, match="is there and is no adapter"):
            export_adapter(trained, output)
    assert (taken / "note.txt").read_text(encoding="utf8") == "mine"


def test_an_adapter_is_replaced_and_other_files_stay(trained: Language, folder: Path) -> None:
    (folder / "README.md").write_text("a model card", encoding="utf8")
    (folder / ".git").mkdir()
    (folder / ADAPTER_WEIGHTS).write_bytes(b"old")
    export_adapter(trained, folder)
    assert {path.name for path in folder.iterdir()} == {
        ADAPTER_CONFIG,
        ADAPTER_WEIGHTS,
        HEAD_FILE,
        "README.md",
        ".git",
    }
    assert (folder / "README.md").read_text(encoding="utf8") == "a model card"
    nlp = spacy.blank("en")
    add_adapter(nlp, folder)
    assert predictions(nlp) == predictions(trained)
