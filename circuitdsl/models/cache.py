"""What is kept between runs: converted tokenizers and dequantised weights by the content of their file, digests of files, plain runs.

Everything is content-addressed, written beside its place and moved there whole, under a lock. Deleting the folder loses only time.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from circuitdsl.borders.folders import cache_folder
from circuitdsl.models.errors import model_error

KINDS = {
    "weights": "dequantised weights",
    "tokenizers": "converted tokenizers",
    "encodings": "tokens of texts",
    "agreed": "tokenizers found to agree",
    "finite": "weights found to be finite",
    "runs": "plain runs of models",
    "digests": "digests of files",
    "machines": "speed of this machine",
    "grammar": "tables of the grammar",
}
_MANIFEST = "manifest.json"


def contents() -> dict[str, tuple[int, int]]:
    """Kind of cached thing → files and bytes."""
    found = {}
    for kind in KINDS:
        sizes = [path.stat().st_size for path in (cache_folder() / kind).rglob("*") if path.is_file()]
        if sizes:
            found[kind] = len(sizes), sum(sizes)
    return found


def clear() -> None:
    """Deletes what is cached, and nothing else that the folder may hold."""
    for kind in KINDS:
        shutil.rmtree(cache_folder() / kind, ignore_errors=True)


def digest(path: Path) -> str:
    """SHA-256 of a file, remembered by its path, size and times of change."""
    state = _state(path)
    try:
        known = json.loads(_note(path).read_text())
        if {**known, **state} == known:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or damaged: computed anew
    sha256 = _sha256(path)
    _remember(path, sha256, state)
    return sha256


def digests(paths: list[Path]) -> str:
    """One SHA-256 for several files: that of the file if there is one, else of their names and digests in order."""
    if len(paths) == 1:
        return digest(paths[0])
    return hashlib.sha256("\n".join(f"{path.name} {digest(path)}" for path in sorted(paths)).encode()).hexdigest()


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of a cached thing. `make(folder)` writes its files where there is none, or one whose files have changed.

    Several processes may ask at once: one makes it, the others wait. Raises CircError C416 if it cannot be written.
    """
    place = cache_folder() / kind / key
    if _intact(place):
        return place
    from filelock import FileLock

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            if not _intact(place):
                _make(place, make)
    except OSError as error:
        raise model_error(
            "C416", f"the cache folder {cache_folder()} cannot be written: {error.strerror or error}", "set CIRCUITDSL_CACHE to another"
        ) from None
    return place


def _make(place: Path, make: Callable[[Path], None]) -> None:
    making = Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{place.name[:12]}-"))
    try:
        make(making)
        manifest = {path.name: _sha256(path) for path in sorted(making.iterdir())}
        (making / _MANIFEST).write_text(json.dumps(manifest, indent=1))
        shutil.rmtree(place, ignore_errors=True)
        making.replace(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    for name, sha256 in manifest.items():
        _remember(place / name, sha256, _state(place / name))


def _intact(place: Path) -> bool:
    try:
        manifest = json.loads((place / _MANIFEST).read_text())
        return all(digest(place / name) == sha256 for name, sha256 in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> dict[str, object]:
    """What changes with a file's content. Another file that is put in its place may have its size and `mtime`, but not its `ctime`."""
    stat = path.stat()
    return {"path": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}


def _note(path: Path) -> Path:
    return cache_folder() / "digests" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"


def _remember(path: Path, sha256: str, state: dict[str, object]) -> None:
    """`state` as it was before the file was read. Where the cache cannot be written it is computed each time."""
    note = _note(path)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False, suffix=".tmp") as written:
            json.dump({**state, "sha256": sha256}, written)
        Path(written.name).replace(note)
