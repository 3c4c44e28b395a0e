"""Families: where they come from, what they refuse, and that nothing else names one."""

import re
from pathlib import Path

import pytest

import circuitdsl
from circuitdsl.borders.source import CircError
from circuitdsl.models.families.llama import Llama
from circuitdsl.models.family import discover
from circuitdsl.models.shapes import shape_of


class Elsewhere(Llama):
    name = "elsewhere"
    defaults = {"elsewhere_lm": Llama.defaults["llama"], "llama": {}}


ELSEWHERE = Elsewhere()
NO_FAMILY = "a text"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(value)`: a distribution beside this one with the entry point `elsewhere = value` in the group of families."""

    def install(value: str) -> None:
        folder = tmp_path / "elsewhere-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[circuitdsl.families]\nelsewhere = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.syspath_prepend(str(Path(__file__).parent))

    return install


def test_a_family_of_another_package(installed, configurations):
    installed(f"{Path(__file__).stem}:ELSEWHERE")
    families = discover()
    assert families["elsewhere_lm"].name == "elsewhere"
    assert families["llama"].name == "llama", "a built-in family keeps its types"
    assert "elsewhere_lm" in list(families)
    assert shape_of({**configurations["llama"], "model_type": "elsewhere_lm"}).family == "elsewhere"


@pytest.mark.parametrize("value", ["no.such.module:FAMILY", f"{Path(__file__).stem}:NO_FAMILY", f"{Path(__file__).stem}:NOTHING"])
def test_a_family_that_cannot_be_used_stops_only_models_that_could_be_its_own(installed, value, configurations):
    installed(value)
    assert shape_of(configurations["llama"]).family == "llama"
    with pytest.raises(CircError, match="C427: the family `elsewhere`"):
        shape_of({**configurations["llama"], "model_type": "elsewhere_lm"})


def test_without_other_packages_there_are_the_built_in_ones(monkeypatch):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    families = discover()
    assert len(families) == len(list(families)) > 10
    assert "elsewhere_lm" not in families


REFUSED = [
    ("opt", {"do_layer_norm_before": False}, "norms come after each sum"),
    ("opt", {"word_embed_proj_dim": 10}, "another width"),
    ("gemma3", {"use_bidirectional_attention": True}, "looks ahead"),
]


@pytest.mark.parametrize(("name", "changes", "why"), REFUSED)
def test_a_layout_that_is_not_served_is_refused_with_the_reason(name, changes, why, configurations):
    shape_of(configurations[name])
    with pytest.raises(CircError, match=f"C426: .*{why}"):
        shape_of({**configurations[name], **changes})


TOKENIZERS = {"gguf_metadata.py"}
"""Where `gpt2` and `llama` are names of tokenizers in the GGUF format."""


def test_nothing_else_names_a_family():
    package = Path(circuitdsl.__file__).parent
    names = {name for family in discover().values() for name in (family.name, *family.defaults)} - {"toy", "circuitdsl_toy"}
    quoted = re.compile("|".join(f"[\"']{re.escape(name)}[\"']" for name in sorted(names)))
    found = {
        str(path.relative_to(package)): quoted.findall(path.read_text())
        for path in package.rglob("*.py")
        if path.parent.name != "families" and path.name not in TOKENIZERS and quoted.search(path.read_text())
    }
    assert not found


def test_every_family_is_in_the_table_of_tiny_models(configurations):
    tried = {settings["model_type"] for settings in configurations.values()}
    assert {family.name for family in discover().values()} - {"toy"} == {discover()[model_type].name for model_type in tried}


def test_gated_is_what_the_modules_are(tiny, family):
    """A gated MLP has three matrices (or two of which one is twice as wide), another two."""
    adapter = tiny(family)
    matrices = sum(parameter.numel() for parameter in adapter.parts(0).mlp.parameters() if parameter.ndim == 2)
    assert matrices == (3 if adapter.shape.gated else 2) * adapter.shape.width * adapter.shape.mlp_width
