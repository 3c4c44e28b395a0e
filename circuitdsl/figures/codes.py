"""What `explain` says about the codes of figures."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C601": Code(
        "Graphviz is missing",
        "The layout `graph` is Graphviz's own, and neither the program `dot` nor `graphviz-pure` was found.\n\nEither install the extra "
        "that brings one, `pip install 'circuitdsl[figures]'`, or Graphviz itself from your system's packages, or draw with "
        "`--layout grid`, which needs neither.",
    ),
    "C602": Code(
        "CairoSVG is missing",
        "PDF and PNG are made from the SVG by CairoSVG, which is not installed or does not find the cairo library.\n\nInstall it with "
        "`pip install 'circuitdsl[figures]'`; on Debian and Ubuntu the library is the package libcairo2, with Homebrew it is "
        "cairo. SVG and DOT need neither.",
    ),
    "C603": Code(
        "font is missing",
        "Figures are set in DejaVu Sans: its measures are used to make text fit its boxes, and PDF and PNG have it embedded or drawn in. "
        "Another font would be put in its place without a word, so this is an error.\n\nInstall it: the package fonts-dejavu-core on "
        "Debian and Ubuntu, dejavu-sans-fonts on Fedora, the cask font-dejavu with Homebrew. SVG needs no font here.",
    ),
    "C604": Code(
        "figure cannot be drawn",
        "Graphviz stopped with an error, or gave an answer without positions. `--layout grid` draws the same graph without it.",
    ),
    "C605": Code(
        "unknown format or layout",
        "Figures are written as svg, pdf, png or dot, and laid out as graph (Graphviz's own) or grid (token positions "
        "across, layers upward). `render` also writes a circuit (not a tree of calls) as graphml, for other programs. The format is "
        "what `--format` says, else what the name of the output ends in.",
    ),
    "C606": Code(
        "figure not written",
        "The figure's file could not be written: the disk is full, the folder is missing or read-only. "
        "An earlier file of that name is as it was.",
    ),
    "C611": Code(
        "figure too large for PNG",
        "A PNG has 300 pixels an inch and at most 32,767 along a side, which is 109 inches. A figure is so wide where very many arrows "
        "or calls stand side by side.\n\n"
        "SVG and PDF have no such bound. A circuit drawn with `--layout grid` is narrower than Graphviz's own layout.",
    ),
}
