"""Codes of lowering claims."""

from circuitdsl.borders.codes import Code

CODES = {
    "C370": Code(
        "no ablation is stated",
        "A run of the circuit alone sets the rest of the model to something, and the number depends on what. There is no default: "
        "write `ablate = resample(NAME)`, `mean(NAME)` or `zero`, in the claim or once in `settings`.",
    ),
    "C371": Code(
        "an effect without a source",
        "`effect` replaces a value by the one it takes on other prompts. Name them: `from = NAME`. With `into = NAME` alone, the value "
        "comes from the measured prompts (denoising).",
    ),
    "C372": Code(
        "no random circuit to compare with",
        "The null that `rank_among_random` states allows no circuit in this model: for example `disjoint`, where a layer has too few "
        "heads outside the circuit. State another with `match =`.",
    ),
    "C373": Code(
        "no prompts to choose on",
        "`completeness` and `minimality` choose the sets K that they knock out by looking at the numbers, and must be judged on other "
        "prompts. The file keeps none for that: leave `explore` out of `settings`, or set it above 0.",
    ),
}
