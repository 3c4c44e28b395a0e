"""The model's own tokenizer without torch: the `tokenizers` library on the model's tokenizer.json.

A tokenizer that is only in a GGUF file or in an older format is converted once, by transformers itself in a child process, and cached.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.prompts import Encoding
from circuitdsl.borders.source import GuardError
from circuitdsl.models.cache import digest, digests, entry
from circuitdsl.models.encodings import Encodings
from circuitdsl.models.errors import model_error
from circuitdsl.models.gguf_checks import check_gguf, check_served
from circuitdsl.models.locate import Location, locate

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_TEXTS = (".json", ".txt", ".model")
_OLDER = ("vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "vocab.txt")
_WORD = re.compile(r"\w+|[^\w\s]+")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class About(NamedTuple):
    """What is asked of every tokenizer.

    `first` and `appended` are the ids that the post-processor puts before and after a text. `unknown` is the id that stands for what
    the vocabulary does not have. `lossy`: some characters may have no token at all.
    """

    vocabulary: int
    largest: int
    first: list[int]
    appended: list[int]
    unknown: int | None
    lossy: bool


class FileTokenizer:
    """A tokenizer.json. BOS is what its post-processor adds, as transformers has it: with that file present the post-processor decides.

    What the post-processor puts after a text (`appended`) is left out: a prompt ends with its text. The library reads the file when
    something is asked that no run before has asked of it. Raises CircError C413 if it cannot be read.
    """

    def __init__(self, path: Path, settings: Path | None = None):
        """`settings` is the folder with tokenizer_config.json and config.json, if they are not beside the file."""
        self.path = path
        self._settings = settings or path.parent
        try:
            self._encodings = Encodings(self.sha256)
        except OSError as error:
            raise model_error("C413", f"cannot read the tokenizer {path}: {error.strerror or error}") from None
        about = About(*self._encodings.recall("about", self._about))
        self.vocabulary, self.largest, self.unknown, self.lossy = about.vocabulary, about.largest, about.unknown, about.lossy
        self.appended = tuple(about.appended)
        self.met_unknown = False
        """Whether a text that was asked for so far has words that are read as `unknown`."""
        self.adds_bos = bool(about.first)
        self._declared = about.first[0] if about.first else None

    @cached_property
    def _backend(self) -> "Backend":
        from tokenizers import Tokenizer as Backend

        try:
            backend = Backend.from_file(str(self.path))
        except Exception as error:  # the library raises plain Exception
            raise model_error("C413", f"cannot read the tokenizer {self.path}: {error}") from None
        backend.no_padding()
        backend.no_truncation()
        return backend

    def _about(self) -> About:
        first, appended = self._added()
        model = self._backend.model
        content = json.loads(self._backend.to_str())
        unknown = content["model"].get("unk_id")
        if named := getattr(model, "unk_token", None):
            unknown = self._backend.token_to_id(named)
        whole = content["model"].get("byte_fallback") or "ByteLevel" in json.dumps([content["pre_tokenizer"], content["normalizer"]])
        ids = self._backend.get_vocab(with_added_tokens=True).values()
        return About(len(ids), max(ids, default=-1), first, appended, unknown, not whole)

    def _added(self) -> tuple[list[int], list[int]]:
        """Ids that the post-processor puts before and after every text."""
        alone = self._backend.encode("").ids
        if not alone or alone == self._backend.encode("", add_special_tokens=False).ids:
            return [], []
        encoded = self._backend.encode("a")
        text = [index for index, special in enumerate(encoded.special_tokens_mask) if not special]
        if not text:  # not even `a` has a token
            return [], []
        return encoded.ids[: text[0]], encoded.ids[text[-1] + 1 :]

    def keep(self) -> None:
        """Keeps on disk what was asked, for the next run."""
        self._encodings.keep()

    @cached_property
    def sha256(self) -> str:
        return digest(self.path)

    @cached_property
    def bos_id(self) -> int | None:
        """What the post-processor puts first, else the `bos_token` of tokenizer_config.json or config.json beside it."""
        if self._declared is not None:
            return self._declared
        for name in ("tokenizer_config.json", "config.json"):
            try:
                settings = json.loads((self._settings / name).read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
            token = settings.get("bos_token", settings.get("bos_token_id")) if isinstance(settings, dict) else None
            token = token.get("content") if isinstance(token, dict) else token
            found = self._backend.token_to_id(token) if isinstance(token, str) else token
            if isinstance(found, int) and 0 <= found < self.vocabulary:
                return found
        return None

    def encode(self, text: str, bos: bool | None = None) -> Encoding:
        """See `borders.prompts.Tokenizer`. Raises CircError C413 if BOS is asked for and the tokenizer has none."""
        if bos is None or bos == self.adds_bos:
            # `bos=False` of a tokenizer that adds none changes nothing, not even another special token.
            ids, offsets = self._encoded(text, special=True)
            end = len(ids) - len(self.appended)
            return Encoding(ids[:end], offsets[:end])
        ids, offsets = self._encoded(text, special=False)
        if not bos:
            return Encoding(ids, offsets)
        if self.bos_id is None:
            raise model_error("C413", "`bos = true`, but this model's tokenizer has no BOS token", "remove the setting")
        return Encoding((self.bos_id, *ids), ((0, 0), *offsets))

    def _encoded(self, text: str, special: bool) -> Encoding:
        def answer() -> tuple[list[int], list[tuple[int, int]]]:
            encoded = self._backend.encode(text, add_special_tokens=special)
            return encoded.ids, encoded.offsets

        ids, offsets = self._encodings.recall(f"{'special' if special else 'plain'} {text}", answer)
        if self.unknown in ids:  # the post-processor's own tokens stand for no characters
            self.met_unknown |= any(token == self.unknown and start < end for token, (start, end) in zip(ids, offsets, strict=True))
        return Encoding(tuple(ids), tuple((start, end) for start, end in offsets))

    def decode(self, ids: tuple[int, ...] | list[int]) -> str:
        text: str = self._encodings.recall(f"text {list(ids)}", lambda: self._backend.decode(list(ids), skip_special_tokens=False))
        return text

    def piece(self, token: int) -> str:
        """A token as it stands in a text, with the space before it, which decoders leave out at the beginning."""
        piece: str = self._encodings.recall(f"piece {token}", lambda: self._piece(token))
        return piece

    def _piece(self, token: int) -> str:
        from tokenizers import decoders

        alone, name = self._backend.decode([token], skip_special_tokens=False), self._backend.id_to_token(token)
        if name and (token in self._backend.get_added_tokens_decoder() or _BYTE.fullmatch(name)):
            return name
        if self._backend.decoder is None or isinstance(self._backend.decoder, decoders.ByteLevel):
            return alone
        before = next(iter(self.encode("a", bos=False).ids[-1:] or self.plain_ids()[:1]), token)
        start, both = (self._backend.decode(ids, skip_special_tokens=False) for ids in ([before], [before, token]))
        return both.removeprefix(start) if both.startswith(start) else alone

    def not_known(self, text: str) -> tuple[str, ...]:
        """Words of a text that the vocabulary has no tokens for: they are read as the unknown token, or dropped."""
        ids, offsets = self.encode(text)
        covered, wrong = set[int](), set[int]()
        unknown = self.piece(self.unknown) if self.unknown is not None and self.unknown in ids else None
        for token, (start, end) in zip(ids, offsets, strict=True):
            covered.update(range(start, end))
            if token == self.unknown and text[start:end].strip() != unknown:  # not where the text itself says `<unk>`
                wrong.update(range(start, end))
        if self.lossy:
            wrong.update(index for index, char in enumerate(text) if index not in covered and not char.isspace())
        words = [match for match in _WORD.finditer(text) if wrong & set(range(*match.span()))]
        return tuple(dict.fromkeys(match.group() for match in words))

    def plain_ids(self) -> tuple[int, ...]:
        unknown = getattr(self._backend.model, "unk_token", None)
        special = {*self._backend.get_added_tokens_decoder(), self.bos_id, self._backend.token_to_id(unknown) if unknown else None}
        return tuple(sorted(token for token in self._backend.get_vocab(with_added_tokens=True).values() if token not in special))


def load_tokenizer(model: ModelName, folder: Path) -> FileTokenizer | None:
    """The tokenizer of the model that a file names; None where the model is not on this machine, or has none.

    Raises CircError C401 (no such model), C410 (a GGUF file cannot be read), C413 (a damaged tokenizer).
    """
    return tokenizer_at(locate(model, folder))


def tokenizer_at(location: Location) -> FileTokenizer | None:
    """The tokenizer at a location."""
    path = location.path
    if path is None:
        return None
    if location.kind == "gguf":
        return FileTokenizer(converted(path) / "tokenizer.json")
    if (path / "tokenizer.json").is_file() and not _changed_by_settings(path):
        return FileTokenizer(path / "tokenizer.json")
    if any((path / name).is_file() for name in ("tokenizer.json", *_OLDER)):
        return FileTokenizer(converted(path) / "tokenizer.json", path)
    return None


def _changed_by_settings(folder: Path) -> bool:
    """Whether transformers may make another tokenizer of tokenizer.json, because tokenizer_config.json says so."""
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        space = settings.get("add_prefix_space")
        if space is None:
            return False
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        return bool((content.get("pre_tokenizer") or {}).get("add_prefix_space", space) != space)
    except (OSError, ValueError, RecursionError, AttributeError):
        return False  # not there; or damaged, which is said when transformers reads them


def converted(source: Path) -> Path:
    """The cached folder with tokenizer.json and config.json of a GGUF file, or of a folder with an older tokenizer.

    Raises CircError C410 (a GGUF file that cannot be read), C406, C408, C430 to C432 (one that is not served, or not whole), or C413 (a
    tokenizer that cannot be converted).
    """
    if source.is_file():
        check_served(source)
    return entry("tokenizers", f"{digests(_files(source))}-3", lambda folder: _convert(source, folder))


def _files(source: Path) -> list[Path]:
    """A GGUF file, or all of a folder that transformers may make a tokenizer of, special and added tokens included."""
    return [source] if source.is_file() else sorted(path for path in source.iterdir() if path.suffix in _TEXTS and path.is_file())


def _convert(source: Path, folder: Path) -> None:
    if source.suffix.lower() == ".gguf":
        check_gguf(source)
    # -P: nothing in the current folder is imported, whatever its name.
    command = [sys.executable, "-P", "-m", "circuitdsl.models.convert", str(source.resolve()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if why.startswith('{"code"'):
            raise model_error(**json.loads(why))
        code = "C410" if source.is_file() else "C413"
        raise model_error(code, f"cannot read {source.name}: {why}")


def assert_same_tokenizer(tokenizer: FileTokenizer, location: Location, texts: Iterable[str]) -> None:
    """Compares the ids of `texts` with those of transformers' own tokenizer. Raises GuardError C423 at the first difference.

    Agreement is remembered for the same texts, files and version of transformers.
    """
    from importlib.metadata import version

    if location.path is None:
        return
    distinct = sorted(set(texts))
    asked = json.dumps([distinct, tokenizer.sha256, digests(_files(location.path)), version("transformers")])
    key = hashlib.sha256(asked.encode()).hexdigest()
    entry("agreed", key, lambda folder: _compare(tokenizer, location.path, distinct, folder))


def _compare(tokenizer: FileTokenizer, path: Any, texts: list[str], folder: Path) -> None:
    from transformers import CONFIG_MAPPING, AutoTokenizer, PreTrainedTokenizerFast

    try:
        if path.is_file():
            own: Any = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, trust_remote_code=False, local_files_only=True)
        elif json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"] in CONFIG_MAPPING:
            own = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
        else:  # a toy: transformers does not know its configuration
            own = PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
        theirs = [tuple(own(text).input_ids) for text in texts]
    except Exception as error:  # whatever a file beside tokenizer.json makes it raise
        raise model_error("C413", f"transformers cannot read the tokenizer in {path}: {type(error).__name__} {error}") from None
    for text, expected in zip(texts, theirs, strict=True):
        found = (*tokenizer.encode(text).ids, *tokenizer.appended)
        if expected != found:
            raise GuardError("C423", f"token ids of {text!r} differ from transformers' own: {list(found)} against {list(expected)}")
    (folder / "agreed.json").write_text(json.dumps({"texts": len(texts)}))
