"""Codes of errors that planning finds."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C501": Code(
        "no donor for a prompt",
        "Resampling puts another prompt's activations in place of a row's own. The donor must have the row's layout (template, "
        "length, and the token positions of every slot; with `align = absolute` its length alone) and, where it comes from the same "
        "distribution, must not be the row itself.\n\n"
        "The distribution has no such prompt. Ask for more prompts, use a template whose slots have one length in tokens, or use a "
        "paired counterfactual.",
    ),
    "C503": Code(
        "no prompt to average over",
        "A mean is taken over the prompts of the ablation's distribution that have the row's layout (with `align = absolute` its "
        "length), and it has none. "
        "Ask for more prompts, or use the same templates in both distributions.",
    ),
    "C505": Code(
        "no prompt of the same class",
        "Causal scrubbing replaces a value by its value on a prompt that agrees on what the node carries and has the same layout "
        "(with `align = absolute` the same length). "
        "Among the measured prompts there is always one, the prompt itself; a separate pool of donors (`from =`) may have none.",
    ),
    "C506": Code(
        "two values at one position",
        "What a claim changes gives one unit two values at the same token. It happens where a part of a node's positions is taken under "
        "another name, such as `mover @ S1 -> reader` of a node at `S1[all]`: what is cut, kept or left out of the node is counted by the "
        "names of its positions.\n\n"
        "Name the positions alike in the node and in edges and claims (`@ (S1[0], S1[1])` and `@ S1[1]`), or make a node of each.",
    ),
}
