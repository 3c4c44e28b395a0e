"""Tokens as they stand in a text, words that a tokenizer does not know, and tokens that it adds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError
from circuitdsl.models.locate import locate
from circuitdsl.models.outline import outline, require_tokenizer
from circuitdsl.models.readable import check_readable
from circuitdsl.models.tokenizers import FileTokenizer, assert_same_tokenizer, load_tokenizer
from circuitdsl.pipeline import read, resolve


def sentencepiece(byte_fallback=True):
    letters = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256) if byte_fallback), "\u2581", *"abc", "ab", "\u2581ab"]
    vocabulary = {token: number for number, token in enumerate(letters)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, [("a", "b"), ("\u2581", "ab")], unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "ab": 2, "##c": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    return tokenizer


def bytewise():
    tokenizer = Tokenizer(
        models.BPE({**{char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, "\u0120a": 256}, [])
    )
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return tokenizer


def characters():
    """BPE that drops what it does not know."""
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def words():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "ab": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def written(tokenizer, folder: Path) -> FileTokenizer:
    tokenizer.save(str(folder / "tokenizer.json"))
    return FileTokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize(
    ("make", "text", "pieces"),
    [
        (sentencepiece, "ab  abc", [" ab", " ", " ab", "c"]),
        (sentencepiece, "é<s>", [" ", "<0xC3>", "<0xA9>", "<s>"]),
        (wordpiece, "ab abc", [" ab", " ab", "c"]),
        (bytewise, "b a", ["b", " ", "a"]),
        (words, "ab a", ["ab", "a"]),
    ],
)
def test_tokens_are_shown_with_their_spaces(make, text, pieces, tmp_path):
    tokenizer = written(make(), tmp_path)
    assert [tokenizer.piece(token) for token in tokenizer.encode(text).ids] == pieces


@pytest.mark.parametrize(
    ("make", "text", "unknown"),
    [
        (words, "ab xx, a yy xx", ("xx", ",", "yy")),
        (words, "ab [UNK] a", ("[", "UNK", "]")),
        (wordpiece, "ab abd", ("abd",)),
        (characters, "a bxb cc", ("bxb", "cc")),
        (lambda: sentencepiece(byte_fallback=False), "ab \u00e9a <unk>", ("\u00e9a",)),
        (sentencepiece, "ab \u00e9a", ()),
        (bytewise, "ab \u00e9a", ()),
    ],
)
def test_words_that_a_tokenizer_does_not_know(make, text, unknown, tmp_path):
    assert written(make(), tmp_path).not_known(text) == unknown


def ended(single: str) -> Tokenizer:
    tokenizer = sentencepiece()
    special = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    return tokenizer


@pytest.mark.parametrize(
    ("single", "first", "appended"), [("<s> $A </s>", (1,), (2,)), ("$A </s>", (), (2,)), ("$A", (), ()), ("<s> $A", (1,), ())]
)
def test_a_prompt_ends_with_its_text(single, first, appended, tmp_path):
    tokenizer = written(ended(single), tmp_path)
    plain = written(sentencepiece(), tmp_path / "..").encode("ab c").ids
    assert (tokenizer.adds_bos, tokenizer.appended) == (bool(first), appended)
    assert tokenizer.encode("ab c").ids == (*first, *plain)
    assert len(tokenizer.encode("ab c").offsets) == len(first + plain)
    assert tokenizer.encode("").ids == first
    assert tokenizer.encode("ab c", bos=False).ids == plain


def test_what_is_appended_is_no_difference_to_transformers(saved, tmp_path):
    _, folder = saved("llama")
    tokenizer = written(ended("<s> $A </s>"), folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    assert_same_tokenizer(tokenizer, locate(ModelName(str(folder)), folder), ["ab c"])


def test_a_setting_that_changes_the_tokenizer_is_seen_before_it_is_run(saved):
    """transformers applies it to tokenizer.json: so do we, where a file is checked."""
    _, folder = saved("gpt2")
    tokenizer = written(bytewise(), folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}))
    name = ModelName(str(folder))
    found = load_tokenizer(name, folder)
    assert (found.encode("a").ids, tokenizer.encode("a").ids) == ((220, 64), (64,))
    assert_same_tokenizer(found, locate(name, folder), ["a b", "b"])


@pytest.mark.parametrize("settings", [{"add_prefix_space": False}, {}, []])
def test_settings_that_change_nothing_need_no_transformers(saved, settings, monkeypatch):
    _, folder = saved("gpt2")
    written(bytewise(), folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    monkeypatch.setattr("circuitdsl.models.tokenizers._convert", None)
    assert load_tokenizer(ModelName(str(folder)), folder).path == folder / "tokenizer.json"


# ---------------------------------------------------------------- what a file's prompts are told


@pytest.fixture
def told(toy):
    """`told(text, config)`: codes and words of the warnings about the toy's prompts; `config` changes what its configuration says."""

    def tell(text: str, **config: object) -> dict[str, str]:
        toy.write_text(text)
        hypothesis = resolve(read(toy), Flags(settings={"prompts": 8}))
        model = outline(hypothesis.model, toy.parent)
        found = check_readable(hypothesis, replace(model, config={**model.config, **config}))
        assert all(one in [replace(warning, span=one.span, source=None) for warning in hypothesis.warnings] for one in found)
        return {one.code: one.message for one in found}

    return tell


def test_unknown_words_are_named_and_unknown_answers_are_errors(toy, told):
    text = toy.read_text()
    assert told(text) == {}
    for template in ("{first} {next} {c} {d} {cue}", "{c} {first} {next} {d} {cue}", "{c} {d} {first} {next} {cue}"):
        text = text.replace(f'"{template}"', f'"Once {template}"')
    assert "`Once`" in told(text)["W071"]
    with pytest.raises(CircError, match=r"C436.*`mauve`"):
        told(text.replace('"pink"', '"mauve"'))
    assert told(text.replace('"pink"', '"<bos>"')).keys() >= {"W071"}  # the unknown token itself, as it is written


def test_a_metric_that_asks_for_an_unknown_word(toy, told):
    path = toy.parent / "toys" / "induction" / "tokenizer.json"
    path.write_text(path.read_text().replace('"unk_token": "<bos>"', '"unk_token": "plum"'))
    text = toy.read_text().replace(', "plum"', "").replace("metric copied", 'metric other = logit(" mauve")\nmetric copied')
    with pytest.raises(CircError, match="C436: the metric `other` asks for a word that the tokenizer reads as plum"):
        told(text)


def test_a_rotation_that_depends_on_the_length_is_refused_beyond_its_bound(toy, told):
    rope = {"rope_type": "longrope", "original_max_position_embeddings": 5, "short_factor": [1.0], "long_factor": [2.0]}
    for config in ({"rope_parameters": rope}, {"rope_scaling": {**rope, "type": "longrope"}}, {"rope_parameters": {"full": rope}}):
        with pytest.raises(CircError, match=r"C434.*6 tokens.*beyond 5"):
            told(toy.read_text(), **config)
    assert told(toy.read_text(), rope_parameters={**rope, "original_max_position_embeddings": 6}) == {}
    assert told(toy.read_text(), rope_parameters={**rope, "long_factor": [1.0]}) == {}
    assert told(toy.read_text(), rope_parameters={"rope_type": "llama3", "original_max_position_embeddings": 5}) == {}


def test_a_model_without_a_tokenizer_can_be_checked_and_not_run(saved, toy):
    _, folder = saved("llama")
    name = ModelName(str(folder))
    with pytest.raises(CircError, match="C433"):
        require_tokenizer(outline(name, folder))
    (folder / "tekken.json").write_text("{}")
    with pytest.raises(CircError, match=r"C433.*tekken\.json"):
        require_tokenizer(outline(name, folder))
    written(words(), folder)
    require_tokenizer(outline(name, folder))
    (toy.parent / "toys" / "induction" / "tokenizer.json").unlink()
    require_tokenizer(outline(ModelName("toys/induction"), toy.parent))
