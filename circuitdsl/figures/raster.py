"""SVG → PDF and PNG, by CairoSVG, with the font that the positions were made for and no other."""

import re
import zlib
from importlib import import_module
from types import ModuleType

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.figures.fonts import FONT_FAMILY

DPI = 300
MOST_PIXELS = 32_767
"""Along a side of a picture: cairo has no more."""
_PROBE = b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='20'><text y='9' font-family='%s' font-weight='%s'>Hx</text></svg>"


def pdf(svg: bytes) -> bytes:
    """A PDF of the figure's own size with embedded TrueType fonts. Raises CircError C602 or C603."""
    body: bytes = _cairo().svg2pdf(bytestring=svg)
    return body


def png(svg: bytes) -> bytes:
    """A PNG with 300 pixels an inch. Raises CircError C602 or C603."""
    body: bytes = _cairo().svg2png(bytestring=svg, scale=DPI / 96, dpi=96)
    return body


def _cairo() -> ModuleType:
    """CairoSVG, once it is known to have the font: it would replace a missing one silently."""
    try:
        cairosvg = import_module("cairosvg")
    except (ImportError, OSError) as error:
        raise refusal("C602", "PDF and PNG need CairoSVG and the cairo library", hint="`pip install 'circuitdsl[figures]'`") from error
    for weight in (b"normal", b"bold"):
        fonts = _fonts(cairosvg.svg2pdf(bytestring=_PROBE % (FONT_FAMILY.encode(), weight)))
        if not any(FONT_FAMILY.replace(" ", "") in font for font in fonts):
            raise refusal(
                "C603", f"the font {FONT_FAMILY} is not installed", hint="on Debian: apt install fonts-dejavu-core; SVG needs no font"
            )
    return cairosvg


def _fonts(body: bytes) -> set[str]:
    """Names of the fonts in a PDF, also where its objects are compressed."""
    texts = [body]
    for found in re.finditer(rb"stream\r?\n", body):
        try:
            texts.append(zlib.decompressobj().decompress(body[found.end() :]))
        except zlib.error:
            continue
    return {name.decode("latin-1") for text in texts for name in re.findall(rb"/BaseFont\s*/([^\s/<>\[\]()]+)", text)}
