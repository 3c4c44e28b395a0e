"""The tokens of texts, kept between runs: reading a tokenizer of some megabytes takes longer than checking most files.

A file belongs to one content of tokenizer.json and one version of the library. It is written whole and begins with the digest of the
rest: what is damaged, or half there, counts as not there.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from circuitdsl.borders.folders import cache_folder

FORMAT = 3
MOST = 8192  # entries; some 100 bytes each


class Encodings:
    """What a tokenizer answered, by question. Those of this run come first in the file, so that the oldest are dropped."""

    def __init__(self, sha256: str):
        self._path = cache_folder() / "encodings" / f"{sha256[:32]}-{version('tokenizers')}-{FORMAT}.json"
        self._known = _read(self._path)
        self._asked: dict[str, Any] = {}

    def recall(self, question: str, answer: Callable[[], Any]) -> Any:
        """The answer of an earlier run, or `answer()`, which has to be what JSON can hold."""
        found = self._asked.get(question)
        if found is None:
            found = self._asked[question] = self._known[question] if question in self._known else answer()
        return found

    def keep(self) -> None:
        """Writes what is new. Where the cache cannot be written it is asked anew each time."""
        if self._asked.keys() <= self._known.keys():
            return
        kept = dict(list({**self._asked, **self._known}.items())[:MOST])
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, suffix=".tmp", encoding="utf-8") as written:
                written.write(f"{_digest(text)}\n{text}")
            Path(written.name).replace(self._path)
            self._known = kept


def _read(path: Path) -> dict[str, Any]:
    try:
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
        return json.loads(text) if digest == _digest(text) else {}
    except (OSError, ValueError):
        return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
