"""Codes of errors while a plan runs."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C510": Code(
        "a number is not finite",
        "A readout came out as infinite or not a number, so no mean of it would mean anything.\n\n"
        "In float16 activations overflow above 65,504: compute in float32 (`--dtype float32`), or in bfloat16. "
        "In a metric with a division, the divisor is 0 on that prompt. Otherwise the model's own logits are not finite.",
    ),
    "C511": Code(
        "not enough memory for one prompt",
        "The prompts were taken in ever smaller chunks, and even one of them did not fit. "
        "Give fewer claims at once, shorter prompts, or a machine with more memory; `circuitdsl plan` shows what a prompt needs.",
    ),
}
