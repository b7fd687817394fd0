"""`llama-ner export-adapter` and `import-adapter`."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from ..encoder.peft_samples import peft_adapter
from ..pipeline.recognisers import make_recogniser
from ..pipeline.samples import CORPUS, ents

TEXT = CORPUS[0][0]
NAMES = [piece for piece in CORPUS[0][1] if piece[1] == "NAME"]
DATES = [piece for piece in CORPUS[0][1] if piece[1] == "DATE"]


@pytest.fixture(scope="module")
def people(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that knows the NAMEs of the corpus."""
    folder = tmp_path_factory.mktemp("people") / "model"
    make_recogniser(tiny_llama, "NAME").to_disk(folder)
    return folder


@pytest.fixture
def adapter(people: Path, tmp_path: Path) -> Path:
    assert run("export-adapter", people, tmp_path / "adapter").exit_code == 0
    return tmp_path / "adapter"


def run(*args: object) -> Result:
    return CliRunner().invoke(app, list(map(str, args)))


def fails(*args: object) -> str:
    """Run it, expect exit code 1 without a traceback, and return what it prints, on one line."""
    result = run(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def test_a_pipeline_becomes_an_adapter_and_the_other_way(adapter: Path, tmp_path: Path) -> None:
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "llama_ner.safetensors",
    }
    output = tmp_path / "new" / "pipeline"
    result = run("import-adapter", adapter, output, "--name", "people")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(output)
    assert (nlp.lang, nlp.pipe_names) == ("en", ["people"])
    assert ents(nlp(TEXT)) == NAMES


def test_it_is_added_to_a_pipeline(adapter: Path, tiny_llama: Path, tmp_path: Path) -> None:
    days, output = tmp_path / "days", tmp_path / "both"
    make_recogniser(tiny_llama, "DATE").to_disk(days)
    assert "'llama_ner' already exists in pipeline" in fails("import-adapter", adapter, output, "--into", days)
    assert not output.exists()
    assert run("import-adapter", adapter, output, "--into", days, "--name", "people").exit_code == 0
    nlp = spacy.load(output)
    assert nlp.pipe_names == ["llama_ner", "people"] and ents(nlp(TEXT)) == NAMES + DATES


def test_one_of_pefts_gets_a_head_for_the_labels_given(tiny_llama: Path, tmp_path: Path) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "peft", kind="causal_lm", target_modules=["v_proj"])
    said = fails("import-adapter", folder, tmp_path / "out")
    assert "comes without a head" in said and "Give the labels" in said
    options = ["--labels", "DATE, NAME", "--attention", "causal", "--lang", "de", "--base", tiny_llama]
    result = run("import-adapter", folder, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out")
    ner = nlp.get_pipe("llama_ner")
    assert (nlp.lang, ner.labels) == ("de", ("DATE", "NAME"))
    settings = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (settings.attention, settings.base) == ("causal", str(tiny_llama))
    assert settings.lora.target_modules == ["v_proj"]


def test_the_language_is_that_of_the_pipeline_it_comes_from(people: Path, tmp_path: Path) -> None:
    german = spacy.blank("de")
    german.add_pipe("llama_ner", source=spacy.load(people))
    german.to_disk(tmp_path / "german")
    assert run("export-adapter", tmp_path / "german", tmp_path / "adapter").exit_code == 0
    for options, lang in (([], "de"), (["--lang", "fr"], "fr")):
        assert run("import-adapter", tmp_path / "adapter", tmp_path / lang, *options).exit_code == 0
        assert spacy.load(tmp_path / lang).lang == lang


def test_what_is_not_there(adapter: Path, people: Path, tmp_path: Path) -> None:
    assert "cannot be loaded" in fails("export-adapter", tmp_path / "nowhere", tmp_path / "out")
    assert "'ner' is no trained `llama_ner`" in fails("export-adapter", people, tmp_path / "out", "--pipe", "ner")
    assert "There is no adapter in" in fails("import-adapter", tmp_path / "nowhere", tmp_path / "out")
    assert "cannot be loaded" in fails("import-adapter", adapter, tmp_path / "out", "--into", tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_an_output_that_holds_something_else(adapter: Path, people: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "note.txt").write_text("mine", encoding="utf8")
    assert "holds other things than a pipeline" in fails("import-adapter", adapter, taken)
    assert "is a file" in fails("import-adapter", adapter, taken / "note.txt")
    assert "is there and is no adapter" in fails("export-adapter", people, taken)
    assert [path.name for path in taken.iterdir()] == ["note.txt"]


def test_a_folder_that_cannot_be_written(adapter: Path, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (adapter / "adapter_config.json").read_bytes()

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in fails("export-adapter", people, adapter)
    assert (adapter / "adapter_config.json").read_bytes() == before
    assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]
