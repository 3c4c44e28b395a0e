"""How wide text is in DejaVu Sans, the font of all figures, without opening a font: figures come out the same on every machine."""

import unicodedata

FONT_FAMILY = "DejaVu Sans"
FALLBACKS = f"'{FONT_FAMILY}', 'Bitstream Vera Sans', Verdana, sans-serif"
SMALLEST = 7.0
"""Points. Nothing in a figure is set smaller."""
ASCENT, DESCENT = 0.76, 0.24
"""Share of the size that letters reach above and below the baseline."""

# Advance widths of U+0020 to U+007E in thousandths of the size, from the fonts' own tables.
_PLAIN = (
    "318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 636 636 337 337 838 838 838 531 "
    "1000 684 686 698 770 632 575 775 752 295 295 656 557 863 748 787 603 787 695 635 611 732 684 989 685 611 685 390 337 390 838 500 "
    "500 613 635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592 592 525 636 337 636 838"
)
_BOLD = (
    "348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696 696 696 696 696 400 400 838 838 838 580 "
    "1000 774 762 734 830 683 683 821 837 372 372 775 637 995 837 850 733 850 770 720 682 812 774 1103 771 724 725 457 365 457 838 500 "
    "500 675 716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712 652 924 645 652 582 712 365 712 838"
)
_OTHER = {"–": 500, "—": 1000, "‘": 380, "’": 380, "“": 660, "”": 660, "…": 1000, "·": 380, "␣": 716, "⏎": 838}


def _table(widths: str) -> dict[str, int]:
    return {chr(32 + i): int(width) for i, width in enumerate(widths.split())}


_WIDTHS = {False: _table(_PLAIN), True: _table(_BOLD)}


def measure(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line in points. Letters with accents are as wide as without; what the font may lack counts as a full square."""
    return sum(_advance(character, bold) for character in text) * size / 1000


def _advance(character: str, bold: bool) -> int:
    if unicodedata.combining(character):
        return 0
    table = _WIDTHS[bold]
    base = unicodedata.normalize("NFD", character)[0]
    return table.get(base) or _OTHER.get(character) or (838 if unicodedata.category(character) == "Sm" else 1050)


def wrap(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines of at most `width` points, broken after `_`, `-`, `.`, `,` or a space where that is possible, within a word where it is not."""
    pieces = [""]
    for character in text:
        pieces[-1] += character
        if character in "_-.,: ":
            pieces.append("")
    lines = [""]
    for piece in pieces:
        if lines[-1] and measure((lines[-1] + piece).rstrip(), size, bold=bold) > width:
            lines.append("")
        for character in piece:
            if lines[-1] and measure(lines[-1] + character, size, bold=bold) > width and character != " ":
                lines.append("")
            lines[-1] += character
    return [line.strip() for line in lines if line.strip()] or [""]


def shorten(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text, or as much of its beginning as fits with an ellipsis after it."""
    if measure(text, size, bold=bold) <= width:
        return text
    while text and measure(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text + "…"
