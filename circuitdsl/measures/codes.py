"""Codes of lowering claims."""

from circuitdsl.borders.codes import Code

CODES = {
    "C255": Code(
        "a share of what",
        "`share(METRIC, above = X)` is the share of prompts where the metric is above X, and `below = X` the share where it is below. "
        "One of the two is given: the share between two thresholds is the difference of two claims.",
    ),
    "C370": Code(
        "no ablation is stated",
        "A run of the circuit alone sets the rest of the model to something, and the number depends on what. There is no default: "
        "write `ablate = resample(NAME)`, `mean(NAME)` or `zero`, in the claim or once in `settings`.",
    ),
    "C371": Code(
        "an effect without a source",
        "`effect` replaces a value by the one it takes on other prompts. Name them: `from = NAME`. With `into = NAME` alone, the value "
        "comes from the measured prompts (denoising). A value from the prompts that it is put into is the one that was there.",
    ),
    "C372": Code(
        "no random circuit to compare with",
        "The null that `rank_among_random` states allows no circuit in this model: for example `disjoint`, where a layer has too few "
        "heads outside the circuit; or `layer`, where the circuit has all the heads of its layers and they stand in for each other, so "
        "that every draw is the circuit itself. State another with `match =`.",
    ),
    "C374": Code(
        "a donor's value is not where it is read",
        "Under `align = absolute` a node's value is delivered where the node stands on its donor. Queries, MLPs and the logits read each "
        "position for what is done there, so a value for them must stand in one place on all prompts that agree on what the node "
        "carries; keys and values are found wherever they stand.\n\n"
        "Let the node carry its place too, for example `feature both = name, template`; or draw the edge to keys or values alone "
        "(`-> b.k`, `-> b.v`).",
    ),
    "C375": Code(
        "not so many draws",
        "`replicates` says how often donors are drawn for each prompt. More of them make the score's error smaller and its cost larger.\n\n"
        "`draws` of `rank_among_random` says how many random circuits are run. Without it there are as many as can just decide the claim; "
        "a share very close to 0 would need more than are ever run.",
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
    "C381": Code(
        "two values of one unit for one position",
        "Two nodes of one unit stand at different positions of every prompt. Under `align = absolute` each is delivered where it stands on "
        "a donor of its own, and there the two may meet.\n\n"
        "Let both nodes carry their place, for example `feature both = name, template`, or make one node of them (`@ (S1, S2)`).",
    ),
    "C382": Code(
        "a position that donors have not",
        "Under `align = absolute` the positions of a node are looked up on its donor. Some prompts that donors are drawn from have no such "
        "position: their templates leave the slot out, or give it fewer tokens.",
    ),
    "C383": Code(
        "a path starts elsewhere on the donors",
        "`effect` pins a value at a node's positions. Under `align = absolute` drawn donors may have those positions elsewhere, and what "
        "the path then goes to would read the value of another token.\n\n"
        "Take the value from paired prompts (`prompts NAME from MEASURED { … }`), which have the row's layout.",
    ),
    "C384": Code(
        "no such tree",
        "`render FILE --tree CLAIM` draws the calls of a claim of the measure `scrub`, by its label, for one prompt; `--row N` chooses "
        "another prompt, counted from 0.",
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
        "many layouts) that happens often, and the score is better than the hypothesis. Above a fifth of the draws the interval and the "
        "verdict allow for it: with a share s of such draws the score of other donors may be as low as (score − s)/(1 − s), so a claim "
        "`>= θ` is supported only if the score is surely above θ + s(1 − θ).\n\n"
        "Ask for more prompts, or let the slot take fewer values.",
    ),
    "W069": Code(
        "A feature that the layout fixes",
        "All prompts of one layout agree on the feature (the template is such a one, and what depends on the order of slots alone). Donors "
        "have the row's layout, so a node that carries it may take its value from any of them, and keeps whatever else the layout fixes: "
        "where every slot stands, and the words around.\n\n"
        "`settings { align = absolute }` draws donors of equal length from all layouts; then the feature is all that is kept.",
    ),
}
