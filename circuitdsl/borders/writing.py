"""Files that are put in place whole: the one way in which every stage writes what a user asked for."""

import errno
import os
import secrets
import shutil
from pathlib import Path


def write_bytes(path: Path, body: bytes) -> None:
    """Puts `body` in the place of `path` in one step, so that no reader sees half of it; what a link leads to is replaced, not the link.

    What is no plain file (a pipe, a terminal, a device) is written to as it stands. Raises OSError with nothing changed.
    """
    place = path.resolve()
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():  # asked of the name itself: /dev/stdout leads to a pipe that has no name
        with path.open("wb") as file:
            file.write(body)
        return
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, temporary)
        temporary.replace(place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from error
    except BaseException:  # also Ctrl-C: nothing half-written is left
        temporary.unlink(missing_ok=True)
        raise
