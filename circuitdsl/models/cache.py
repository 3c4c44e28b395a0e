"""What is kept between runs: converted tokenizers and dequantised weights by the content of their file, and digests of files.

Everything is content-addressed, written beside its place and moved there whole, under a lock. Deleting the folder loses only time.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """`$CIRCUITDSL_CACHE`, else the user's cache folder of this platform."""
    if named := os.environ.get("CIRCUITDSL_CACHE"):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("circuitdsl")


def digest(path: Path) -> str:
    """SHA-256 of a file, remembered by its path, size and time of change."""
    stat = path.stat()
    place = str(path.resolve())
    now = {"path": place, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    note = cache_folder() / "digests" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.json"
    try:
        known = json.loads(note.read_text())
        if {key: known[key] for key in now} == now:
            return known["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or damaged: computed anew
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    note.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False, suffix=".tmp") as written:
        json.dump({**now, "sha256": sha256}, written)
    Path(written.name).replace(note)
    return sha256


def digests(paths: list[Path]) -> str:
    """One SHA-256 for several files: that of the file if there is one, else of their names and digests in order."""
    if len(paths) == 1:
        return digest(paths[0])
    return hashlib.sha256("\n".join(f"{path.name} {digest(path)}" for path in sorted(paths)).encode()).hexdigest()


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of a cached thing. `make(folder)` writes its files where there is none, or one whose files have changed.

    Several processes may ask at once: one makes it, the others wait.
    """
    from filelock import FileLock

    place = cache_folder() / kind / key
    if _intact(place):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):
        if _intact(place):
            return place
        making = Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{key[:12]}-"))
        try:
            make(making)
            manifest = {path.name: digest(path) for path in sorted(making.iterdir())}
            (making / _MANIFEST).write_text(json.dumps(manifest, indent=1))
            shutil.rmtree(place, ignore_errors=True)
            making.replace(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return place


def _intact(place: Path) -> bool:
    try:
        manifest = json.loads((place / _MANIFEST).read_text())
        return all(digest(place / name) == sha256 for name, sha256 in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False
