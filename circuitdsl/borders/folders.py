"""Where the program keeps what it may make again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$CIRCUITDSL_CACHE`, else the user's cache folder of this platform."""
    if named := os.environ.get("CIRCUITDSL_CACHE"):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("circuitdsl")
