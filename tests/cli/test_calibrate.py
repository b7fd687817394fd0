"""`llama-ner calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest
import spacy
from spacy.language import Language
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app
from spacy_llama_ner.cli.calibrate import calibrate
from spacy_llama_ner.cli.evaluate import evaluate

from ..evaluate.overconfident import make_overconfident, write_gold
from ..evaluate.sample import make_ruler, write_corpus
from ..pipeline.samples import make_nlp


@pytest.fixture(scope="module")
def made(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that is too sure, with gold data beside it."""
    folder = tmp_path_factory.mktemp("overconfident")
    nlp = make_overconfident(tiny_llama)
    nlp.to_disk(folder / "model")
    write_gold(folder / "dev.spacy", nlp)
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    return Path(copytree(made / "model", tmp_path / "model"))


@pytest.fixture
def dev(made: Path) -> Path:
    return made / "dev.spacy"


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, args)])


def fails(*args: object) -> str:
    """Run it, expect exit code 1 without a traceback, and return what it prints, on one line."""
    result = run(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def temperature(nlp: Language | Path, name: str = "llama_ner") -> float:
    pipe = (spacy.load(nlp) if isinstance(nlp, Path) else nlp).get_pipe(name)
    value: float = pipe.model.get_ref("head").shims[0].module.temperature
    return value


def test_in_place_only_the_weights_file_changes(model: Path, dev: Path) -> None:
    before = contents(model)
    result = run(model, dev)
    assert result.exit_code == 0, result.output
    after = contents(model)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {
        str(Path("llama_ner", "model"))
    }
    assert temperature(model) > 1.5


def test_prints_the_temperature_and_the_errors_that_evaluate_gives(model: Path, dev: Path, tmp_path: Path) -> None:
    before = evaluate(str(model), dev)
    printed = " ".join(run(model, dev).output.split())
    after = evaluate(str(model), dev, output=tmp_path / "metrics.json")
    row = f"llama_ner {temperature(model):.3f} {100 * before['ents_ece']:.2f} {100 * after['ents_ece']:.2f} 21"
    assert row in printed
    assert after["ents_ece"] < before["ents_ece"] / 2
    assert after["ents_f"] == before["ents_f"]
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf8"))
    assert written["ents_ece"] == pytest.approx(after["ents_ece"])


def test_an_output_of_its_own(model: Path, dev: Path, tmp_path: Path) -> None:
    before, output = contents(model), tmp_path / "new" / "calibrated"
    assert run(model, dev, output).exit_code == 0
    assert contents(model) == before
    assert contents(output).keys() == before.keys()
    assert [path.name for path in output.parent.iterdir()] == ["calibrated"]
    assert temperature(output) > 1.5
    # a pipeline that is there is replaced, with what lay in it
    (output / "stray").write_text("from another pipeline", encoding="utf8")
    assert run(model, dev, output).exit_code == 0
    assert contents(output).keys() == before.keys()


def test_the_pipelines_own_folder_as_output_is_in_place(model: Path, dev: Path) -> None:
    (model / "README.md").write_text("mine", encoding="utf8")
    assert run(model, dev, model.parent / "." / "model").exit_code == 0
    assert (model / "README.md").exists() and temperature(model) > 1.5


def test_every_component_or_one(model: Path, dev: Path, tmp_path: Path) -> None:
    nlp = spacy.load(model)
    given = nlp.get_pipe_config("llama_ner")
    config = {"model": given["model"], "spans_key": "second", "overwrite": True}
    nlp.add_pipe("llama_ner", name="second", config=config).from_bytes(nlp.get_pipe("llama_ner").to_bytes())
    nlp.to_disk(tmp_path / "two")
    found = calibrate(str(tmp_path / "two"), dev, output=tmp_path / "one", pipe="second")
    assert list(found) == ["second"]
    assert temperature(tmp_path / "one", "second") > 1.5 and temperature(tmp_path / "one") == 1
    assert list(calibrate(str(tmp_path / "two"), dev)) == ["llama_ner", "second"]
    assert temperature(tmp_path / "two", "second") > 1.5 and temperature(tmp_path / "two") > 1.5


def test_a_component_that_is_not_there(model: Path, dev: Path) -> None:
    assert "no `llama_ner` with the name 'ner'. It has ['llama_ner']" in fails(model, dev, "--pipe", "ner")


def test_a_pipeline_without_a_llama_ner(dev: Path, tmp_path: Path) -> None:
    make_ruler().to_disk(tmp_path / "ruler")
    assert "has no `llama_ner`; it has ['entity_ruler']" in fails(tmp_path / "ruler", dev)


def test_missing_model_and_missing_data(model: Path, dev: Path, tmp_path: Path) -> None:
    assert "cannot be loaded" in fails(tmp_path / "nowhere", dev)
    assert "does not exist" in fails(model, tmp_path / "nowhere.spacy")


def test_data_without_gold(model: Path, tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "bare.spacy", [("Is it going to rain?", [])])
    assert "no gold entity" in fails(model, data)


def test_nothing_found_leaves_the_pipeline_as_it_is(model: Path, tmp_path: Path) -> None:
    before = contents(model)
    data = write_corpus(tmp_path / "gold.spacy", [("please water the plants", [("plants", "NAME")])])
    assert "'llama_ner' finds no entity in these 1 docs" in fails(model, data)
    assert contents(model) == before


def test_an_untrained_pipeline(tiny_llama: Path, dev: Path, tmp_path: Path) -> None:
    make_nlp(tiny_llama).to_disk(tmp_path / "untrained")
    assert "'llama_ner' has no weights yet" in fails(tmp_path / "untrained", dev)


def test_an_installed_package_needs_an_output(
    model: Path, dev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a package finds its pipeline where no one gave a path
    monkeypatch.setattr("spacy_llama_ner.cli.calibrate.load_pipeline", lambda name: spacy.load(model))
    before = contents(model)
    assert "installed package, which is not to be changed" in fails("en_meetings", dev)
    assert contents(model) == before
    assert run("en_meetings", dev, tmp_path / "out").exit_code == 0
    assert temperature(tmp_path / "out") > 1.5


def test_an_output_that_holds_something_else(model: Path, dev: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "note.txt").write_text("mine", encoding="utf8")
    assert "holds other things than a pipeline" in fails(model, dev, taken)
    assert "is a file" in fails(model, dev, taken / "note.txt")
    assert contents(taken) == {"note.txt": b"mine"}


def test_a_folder_that_cannot_be_written_stays_as_it_is(
    model: Path, dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(model)

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in fails(model, dev)
    assert contents(model) == before


def test_a_gpu_that_is_not_there(model: Path, dev: Path) -> None:
    assert "--gpu-id -1" in fails(model, dev, "--gpu-id", 77)
