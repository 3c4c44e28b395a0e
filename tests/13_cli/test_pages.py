"""The pages that are made of the registry and of the settings. CIRC_UPDATE=1 makes them anew."""

import os
import re
from pathlib import Path

import pytest

from circuitdsl.cli.explanations import ABLATIONS, catalogue, explanation, measures_page, settings_table
from circuitdsl.resolve.settings import ABLATIONS as KNOWN_ABLATIONS
from circuitdsl.resolve.settings import KNOWN, OWN_FIELDS, Settings

DOCS = Path(__file__).parents[2] / "docs"
TABLE = re.compile(r"(?<=<!-- settings -->\n)(.*?)(?=\n<!-- end of settings -->)", re.DOTALL)


def test_measures_page():
    page = DOCS / "measures.md"
    if os.environ.get("CIRC_UPDATE"):
        page.write_text(measures_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == measures_page(), "make it anew: CIRC_UPDATE=1 pytest tests/13_cli/test_pages.py"


def test_settings_in_the_language_page():
    page = DOCS / "language.md"
    text = page.read_text(encoding="utf-8")
    if os.environ.get("CIRC_UPDATE"):
        page.write_text(text := TABLE.sub(lambda found: settings_table(), text), encoding="utf-8")
    assert TABLE.search(text)[0] == settings_table(), "make it anew: CIRC_UPDATE=1 pytest tests/13_cli/test_pages.py"


@pytest.mark.parametrize("name", sorted(set(OWN_FIELDS) - {"explore", "subset", "bos", "ablate"}))
def test_the_default_that_is_told_is_the_default(name):
    assert KNOWN[name].default == str(getattr(Settings(), name))


@pytest.mark.parametrize("name", [*KNOWN, *KNOWN_ABLATIONS])
def test_settings_and_ablations_are_explained(name):
    assert name in explanation(name)
    assert f"setting {name}: " in explanation("settings") or name in KNOWN_ABLATIONS
    assert set(ABLATIONS) == set(KNOWN_ABLATIONS)


def test_settings_are_listed_with_their_help():
    assert all(f"  {name:<20} {setting.help}" in catalogue() for name, setting in KNOWN.items())
