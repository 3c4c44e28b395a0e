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
        "`sampling = shared` draws one donor for each prompt, feature and value, and recomputes each distinct value once; it tests a "
        "different hypothesis, since errors that come from independent draws can then cancel.\n\n"
        "Or scrub a part of the circuit: `circuit = (a, b)`.",
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
    "C395": Code(
        "nothing of that name to decode",
        "`decodable(node, SLOT)` reads a slot or feature of the prompts that it is measured on, and these have none of that name.",
    ),
    "C396": Code(
        "more than two classes",
        "The area under the ROC curve is about one class against another. For a slot of several values claim the accuracy, or declare a "
        'feature with two values: `feature is_mary = IO == "Mary"`.',
    ),
    "C397": Code(
        "no control task",
        "In a control task every type (a word, say) gets a label at random, and a probe that learns those as well shows only that it can "
        "memorise types (Hewitt & Liang 2019). Types have to be finer than what is decoded, each of one class: with a type for each class "
        "the control task would be the task itself under other names.\n\n"
        "Name them with `types =`, or claim `decodable`, which is judged without a control task.",
    ),
    "C398": Code(
        "scikit-learn is missing",
        "Linear probes are fitted by scikit-learn, which is an extra: `pip install 'circuitdsl[probes]'`.",
    ),
    "C399": Code(
        "no one vector to probe",
        "`of = input` probes the stream that a node reads, so its units must read the same one: heads of one layer, or one MLP. `each` "
        "before the node probes them one by one. `embed` reads no stream, and `logits` writes none.",
    ),
    "W063": Code(
        "Many donors are the reference itself",
        "Causal scrubbing may draw the reference as its own donor, which changes nothing. With small classes (many values, few prompts, "
        "many layouts) that happens often, and the score is better than the hypothesis.\n\n"
        "Ask for more prompts, or let the slot take fewer values.",
    ),
}
