"""The model's own tokenizer: with and without BOS, older formats, GGUF files; converted once, and anew when the cache is damaged."""

import json
import shutil

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from circuitdsl.borders.folders import cache_folder
from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.models import tokenizers as ours
from circuitdsl.models.cache import contents
from circuitdsl.models.loading import load
from circuitdsl.models.locate import locate
from circuitdsl.models.parity import check_parity
from circuitdsl.models.shapes import find_shape
from circuitdsl.models.tokenizers import assert_same_tokenizer, load_tokenizer


@pytest.fixture(scope="session")
def trained(corpus):
    """A byte-level BPE tokenizer with three special tokens, trained on the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(text, special=True) for text in ("<|endoftext|>", "<s>", "</s>")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def place(folder, tokenizer, bos: bool, name="LlamaTokenizerFast"):
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("bos", [True, False])
def test_ids_and_bos_are_those_of_transformers(saved, trained, corpus, bos):
    _, folder = saved("llama")
    place(folder, trained, bos)
    name = ModelName(str(folder))
    tokenizer = load_tokenizer(name, folder)
    assert (tokenizer.adds_bos, tokenizer.bos_id) == (bos, 1)
    assert_same_tokenizer(tokenizer, locate(name, folder), corpus)
    for text in corpus:
        plain, with_bos = tokenizer.encode(text, bos=False), tokenizer.encode(text, bos=True)
        assert with_bos.ids == (1, *plain.ids) and with_bos.offsets == ((0, 0), *plain.offsets)
        assert tokenizer.encode(text) == (with_bos if bos else plain)
        assert tokenizer.decode(plain.ids) == text


def test_offsets_are_characters(saved, trained):
    _, folder = saved("llama")
    place(folder, trained, bos=True)
    text = "naïve café Mary 東京"
    encoding = load_tokenizer(ModelName(str(folder)), folder).encode(text)
    assert encoding.offsets[0] == (0, 0)
    assert max(end for _, end in encoding.offsets) == len(text)
    assert all(0 <= start < end <= len(text) for start, end in encoding.offsets[1:])


def test_ordinary_ids_are_neither_special_nor_added(saved, trained):
    _, folder = saved("llama")
    place(folder, trained, bos=True)
    tokenizer = load_tokenizer(ModelName(str(folder)), folder)
    assert tokenizer.plain_ids() == tuple(range(3, tokenizer.vocabulary))


def test_other_ids_than_transformers_stop_the_run(saved, trained, corpus, tmp_path):
    _, folder = saved("llama")
    place(folder, trained, bos=True)
    name = ModelName(str(folder))
    (tmp_path / "other").mkdir()
    place(tmp_path / "other", trained, bos=False)
    other = ours.FileTokenizer(tmp_path / "other" / "tokenizer.json")
    for _ in range(2):  # disagreement is never remembered
        with pytest.raises(GuardError, match="C423"):
            assert_same_tokenizer(other, locate(name, folder), corpus)


def place_older(folder, tokenizer):
    model = json.loads(tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"]))


def test_a_tokenizer_in_an_older_format_is_converted(saved, trained, corpus):
    _, folder = saved("gpt2")
    place_older(folder, trained)
    name = ModelName(str(folder))
    tokenizer = load_tokenizer(name, folder)
    assert tokenizer.path.is_relative_to(cache_folder())
    assert_same_tokenizer(tokenizer, locate(name, folder), corpus)
    assert "tokenizers" in contents()  # what `circuitdsl cache` counts and clears


def test_a_token_that_is_added_beside_an_older_tokenizer_is_seen(saved, trained, corpus):
    """Neither what was converted nor what was found to agree before holds any more."""
    _, folder = saved("gpt2")
    place_older(folder, trained)
    name, text = ModelName(str(folder)), "a wug here"
    before = load_tokenizer(name, folder)
    assert_same_tokenizer(before, locate(name, folder), [text])
    (folder / "added_tokens.json").write_text(json.dumps({"wug": before.vocabulary}))
    after = load_tokenizer(name, folder)
    assert before.vocabulary in after.encode(text).ids
    assert_same_tokenizer(after, locate(name, folder), [text])
    with pytest.raises(GuardError, match="C423"):
        assert_same_tokenizer(before, locate(name, folder), [text])


def test_a_model_without_a_tokenizer_has_none(saved):
    _, folder = saved("llama")
    assert load_tokenizer(ModelName(str(folder)), folder) is None


def test_a_damaged_tokenizer_is_an_error(saved):
    _, folder = saved("llama")
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {}}')
    with pytest.raises(CircError, match="C413"):
        load_tokenizer(ModelName(str(folder)), folder)


def test_another_family_is_another_tokenizer(saved, trained):
    """Agreement of the same tokenizer.json under another config.json says nothing: transformers makes another tokenizer of it."""
    _, folder = saved("gpt2")
    place(folder, trained, bos=False)
    (folder / "tokenizer_config.json").unlink()
    name = ModelName(str(folder))
    tokenizer = load_tokenizer(name, folder)
    assert_same_tokenizer(tokenizer, locate(name, folder), ["a 3rd"])
    (folder / "config.json").write_text(json.dumps({"model_type": "gemma2"}))
    with pytest.raises((GuardError, CircError), match=r"C423|C413"):
        assert_same_tokenizer(tokenizer, locate(name, folder), ["a 3rd"])


@pytest.mark.parametrize("settings", ["{", "[]", '"bos_token"', '{"bos_token": ["<s>"]}', "[" * 10**5, b"\xff\xfe"])
def test_damaged_settings_of_a_tokenizer_are_no_traceback(saved, trained, settings):
    """tokenizer.json alone serves to check a file; transformers itself refuses the folder, and that is said."""
    _, folder = saved("llama")
    place(folder, trained, bos=False)
    (folder / "tokenizer_config.json").write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    tokenizer = load_tokenizer(ModelName(str(folder)), folder)
    assert tokenizer.bos_id == 1  # config.json's
    with pytest.raises(CircError, match="C413"):
        assert_same_tokenizer(tokenizer, locate(ModelName(str(folder)), folder), ["a"])


def test_bos_where_the_tokenizer_has_none_is_an_error(saved, trained):
    _, folder = saved("llama")
    place(folder, trained, bos=False)
    (folder / "tokenizer_config.json").unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    tokenizer = load_tokenizer(ModelName(str(folder)), folder)
    assert tokenizer.bos_id is None
    with pytest.raises(CircError, match="C413"):
        tokenizer.encode("a", bos=True)


# ---------------------------------------------------------------- GGUF


@pytest.fixture(scope="session")
def gguf_file(trained, tmp_path_factory):
    """A tiny Llama as a GGUF file, with random weights and the trained tokenizer."""
    import gguf

    model = json.loads(trained.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(32)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    generator = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,), "output": (len(tokens), 32)}
    for layer in range(2):
        block = {"attn_q": (32, 32), "attn_k": (16, 32), "attn_v": (16, 32), "attn_output": (32, 32), "attn_norm": (32,)}
        block |= {"ffn_gate": (64, 32), "ffn_up": (64, 32), "ffn_down": (32, 64), "ffn_norm": (32,)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    for name, shape in shapes.items():
        values = generator.normal(size=shape).astype(np.float32) * 0.3 + (1 if len(shape) == 1 else 0)
        if len(shape) == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def converted_cache(gguf_file, tmp_path_factory):
    """A cache in which the tiny GGUF file has been converted: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRCUITDSL_CACHE", str(folder))
        load(ModelName(str(gguf_file)), folder=gguf_file.parent)
    return folder


@pytest.fixture
def warm(cache, converted_cache):
    shutil.copytree(converted_cache, cache, dirs_exist_ok=True)
    return cache


def test_a_gguf_file_is_a_model_with_shape_and_tokenizer(gguf_file, warm, corpus):
    name = ModelName("tiny.gguf")
    shape = find_shape(name, gguf_file.parent)
    assert (shape.layers, shape.heads, shape.kv_heads, shape.width, shape.mlp_width) == (2, 4, 2, 32, 64)
    tokenizer = load_tokenizer(name, gguf_file.parent)
    loaded = load(name, folder=gguf_file.parent)
    assert shape == loaded.adapter.shape
    assert_same_tokenizer(tokenizer, loaded.location, corpus)
    check_parity(loaded.adapter, torch.tensor([tokenizer.encode("When Mary and John").ids[:8]]))
    assert "tiny.gguf, dequantised" in loaded.describe()


def test_a_conversion_is_made_once(gguf_file, warm, monkeypatch):
    def never(*_):
        raise AssertionError("converted again")

    monkeypatch.setattr(ours, "_convert", never)
    monkeypatch.setattr("circuitdsl.models.loading._dequantise", never)
    load_tokenizer(ModelName(str(gguf_file)), gguf_file.parent)
    load(ModelName(str(gguf_file)), folder=gguf_file.parent)


def test_damaged_entries_are_made_anew(gguf_file, warm):
    name = ModelName(str(gguf_file))
    before = load(name, folder=gguf_file.parent).adapter.final()[1].weight.clone()  # a copy: the file is mapped, and about to be cut
    for path in [*warm.glob("tokenizers/*/tokenizer.json"), *warm.glob("weights/*/model.safetensors")]:
        path.write_bytes(path.read_bytes()[:100])
    assert load_tokenizer(name, gguf_file.parent).encode("Mary").ids
    assert torch.equal(load(name, folder=gguf_file.parent).adapter.final()[1].weight, before)


@pytest.mark.parametrize("content", [b"", b"GGUF" + b"\0" * 100, b"PK\x03\x04 a zip file"])
def test_a_file_that_is_no_gguf(content, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(CircError, match="C410"):
        find_shape(ModelName("bad.gguf"), tmp_path)


def test_a_gguf_file_that_was_cut_off(gguf_file, tmp_path):
    (tmp_path / "cut.gguf").write_bytes(gguf_file.read_bytes()[:-20_000])
    with pytest.raises(CircError, match="C410"):
        load(ModelName("cut.gguf"), folder=tmp_path)


def test_a_cache_that_cannot_be_written(gguf_file, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path / "file"))
    with pytest.raises(CircError, match="C416"):
        load_tokenizer(ModelName(str(gguf_file)), gguf_file.parent)
