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
    "C374": Code(
        "scrubbing needs one layout",
        "Causal scrubbing puts the activations of one prompt in place of another's, position by position, so both have one layout. "
        "`align = absolute`, which resolves positions on each donor, is not built yet.",
    ),
    "C375": Code(
        "replicates is not a whole number",
        "`replicates` says how often donors are drawn for each prompt. More of them make the score's error smaller and its cost larger.",
    ),
    "C376": Code(
        "prompts without a feature that is carried",
        "A node carries a slot or feature, and its donors are prompts that agree on it. The prompts named have no such slot.",
    ),
    "C377": Code(
        "the tree is too large",
        "Every path from the output to a node draws its own donors, so the number of recomputations grows with the number of paths. "
        "Leave out `sampling`: where the tree is too large, each node then has a bank of a few values that its paths take from. That "
        "helps where paths meet in the same node with the same feature; where features change at every step it may not be enough.\n\n"
        "`sampling = shared` draws one donor for each prompt, feature and value, and recomputes each distinct value once; it tests a "
        "different hypothesis, since errors that come from independent draws can then cancel. Or scrub a part of the circuit: "
        "`circuit = (a, b)`.",
    ),
    "C378": Code(
        "no counterfactual to interchange with",
        "`interchange` gives a node the value that it has on the paired prompt. The distribution after `from =` is not a counterfactual "
        "of the measured one. Declare it with `prompts NAME from MEASURED { … }`.",
    ),
    "C379": Code(
        "the counterfactual changes something else",
        "`interchange(node, SLOT, from = NAME)` asks whether the node carries SLOT, so the prompts of NAME must differ from the measured "
        "ones in that slot, and in no other.",
    ),
    "C380": Code(
        "the counterfactual has no answers",
        "`interchange` counts the prompts on which the model then prefers the counterfactual's answer. Say which it is: "
        "`prompts swap from clean { S2 = IO; answer S1 wrong IO }`.",
    ),
    "C386": Code(
        "banks that cannot be",
        "`banks = M` gives every node M values for each reference, in place of one for each path: `sampling = banks`. M is even, since "
        "banks of half the size tell how much the score is off. At least four independent banks are drawn (`replicates`), since the "
        "standard error counts what differs between them.",
    ),
    "C387": Code(
        "adversary is not a whole number",
        "`adversary = K` looks for the grouping of what the hypothesis leaves out that lowers the score most, and tries K ways to split "
        "it further at each of three steps.",
    ),
    "W063": Code(
        "Many donors are the reference itself",
        "Causal scrubbing may draw the reference as its own donor, which changes nothing. With small classes (many values, few prompts, "
        "many layouts) that happens often, and the score is better than the hypothesis.\n\n"
        "Ask for more prompts, or let the slot take fewer values.",
    ),
}
