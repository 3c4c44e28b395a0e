"""Models in folders of their own, and a cache that each test has to itself."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """An empty cache for every test but those on the real model, which share the user's."""
    if request.node.get_closest_marker("real"):
        return None
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(folder))
    return folder


@pytest.fixture
def saved(tiny, tmp_path: Path):
    """`saved(family, …)`: a tiny model's adapter and the folder that it was saved to, as its authors would publish it."""

    def save(family: str, dtype: str = "float32", **changes):
        adapter = tiny(family, dtype=dtype, **changes)
        folder = tmp_path / family
        adapter.model.save_pretrained(folder)
        return adapter, folder

    return save


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """Texts that tokenizers get wrong when they are converted carelessly."""
    return [
        "When Mary and John went to the store, John gave a drink to",
        "The war lasted from the year 1732 to the year 17",
        " leading space",
        "trailing space ",
        "two  spaces\tand\nlines\n\n",
        "digits 0123456789 1,000.5 3rd x2",
        "naïve café 東京 🙂 e\u0301",
        "<|endoftext|>",
        "",
    ]
