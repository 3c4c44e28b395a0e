"""What `explain` says about the warnings of this stage."""

from collections.abc import Mapping

from circuitdsl.borders.codes import Code

CODES: Mapping[str, Code] = {
    "W050": Code(
        "The empty circuit is not near chance",
        "With every unit ablated the model should know nothing, but F(∅) lies clearly off chance: the ablated model still does part "
        "of the task, or does the opposite of it.\n\n"
        "Faithfulness and its kin measure from F(∅), so they then start from a floor that is not 'no behaviour', and the circuit is "
        "given too much or too little credit.\n\n"
        "Look at the donors: do they keep what the answer depends on? Use counterfactuals that change it, or another ablation.",
    ),
    "W051": Code(
        "Clean prompts and donors share the mechanism",
        "The circuit's heads attend to the same places on the clean prompts and on the donors that replace them. Replacing their "
        "values then leaves the mechanism running, and a circuit that lacks it can look faithful.\n\n"
        "Choose counterfactuals that break the structure (no repeated block, another subject), not only the values in it. Donors of "
        "causal scrubbing have the prompt's layout, so what is fixed by it, such as where a pair stands, is not put to the test.",
    ),
    "W052": Code(
        "A share above 1",
        "The circuit's effect is larger than the whole model's, and not by chance: its interval lies above 1. The number is not "
        "clamped.\n\n"
        "Usually something that works against the behaviour (a negative head) is left out of the circuit. 1.3 is as far from the "
        "model as 0.7: claim `= 1 +- 0.2` rather than `>= 0.8`.",
    ),
    "W053": Code(
        "Changes cancel in the mean",
        "Prompt by prompt the numbers differ a lot, some up and some down, and the mean hides it. A ratio of means near 1, or a "
        "difference near 0, then does not say that the circuit behaves like the model.\n\n"
        "Large is 0.3 of the mean below the line, or half of the margin in a claim `= a +- margin` if that is less.\n\n"
        "Read the numbers beside the measure (KL, agreement), and measure the groups of prompts apart that go up and down.",
    ),
    "W054": Code(
        "A random circuit scores as well",
        "A random circuit that is smaller than this one, or shares nothing with it, is at least as faithful. What makes this circuit "
        "faithful is then not the parts that the file names.\n\n"
        "Use a harder ablation or metric; a behaviour that any circuit shows needs no mechanism to explain it.",
    ),
    "W055": Code(
        "Needed once its backup is gone",
        "Leaving this node out changes little, but leaving it out of a circuit that already lacks another node changes much: the two "
        "stand in for each other. Single knock-outs call both needless.\n\n"
        "Claim `minimality`, which looks at sets, instead of `minimality.single`; or name the backup with `without =`.",
    ),
    "W056": Code(
        "The verdict flips under another ablation",
        "The same claim is supported under one ablation and refuted under another, so it is as much about the ablation as about the "
        "model.\n\n"
        "State which ablation is meant and why; report both numbers.",
    ),
    "W057": Code(
        "Few donors",
        "A layout, or a class of a feature, has fewer than 20 donors. The same few values are put in again and again, and the answer "
        "may be about them.\n\n"
        "Add prompts or values of that class, or use fewer templates.",
    ),
    "W058": Code(
        "Too few random circuits to decide",
        "Even if no random circuit were as good as this one, so few of them could not bound their share below what is claimed: after "
        "0 of B the upper bound is 1 − α^(1/B), with α = 1 − confidence.\n\n"
        "Leave the number of random circuits to the default, the smallest that can decide. Where the null allows only a few circuits, "
        "they are all taken and the circuit counts as one of them: the best of B + 1 has rank 1 / (B + 1). State a null with more of "
        "them (`match = size`), or claim a larger share.",
    ),
    "W060": Code(
        "A probe that could be guessing",
        "Labels permuted among the held-out prompts fit what the probe says about as well as the true ones. A score above its bound "
        "then says little: where most prompts have one label, a constant guess is mostly right.\n\n"
        "Compare with the share of the commonest label, printed beside the score, or claim the area under the curve: `score = auc`.",
    ),
    "W061": Code(
        "A probe that learns anything",
        "In the control task every type of prompt has a label drawn at random, and the probe learns those about as well: its accuracy "
        "there is less than 0.1 below that on its own labels, however surely it is below. It then shows what a probe can memorise, not "
        "what the model represents (Hewitt & Liang 2019, who call the difference selectivity and name no bound; 0.1 is this program's)."
        "\n\n"
        "Claim `decodable.selectivity`, use more types, or probe fewer positions and units.",
    ),
    "W059": Code(
        "The bootstrap disagrees with the interval",
        "Student's and Fieller's intervals lean on the mean being nearly normal. Resampling the prompts gives a clearly different one, so "
        "a few prompts, or a few templates, weigh heavily. The printed interval and the verdict allow for skewness as far as the prompts "
        "show it; a tail that none of them shows is beyond every interval.\n\n"
        "Look at the per-prompt numbers in the evidence for outliers, and measure more prompts.",
    ),
    "W066": Code(
        "Banks are too small",
        "Where the tree of causal scrubbing is too large, its nodes have a bank of a few values that many paths take from, and paths "
        "that take the same one are not independent. Banks of half the size, drawn independently, differ from these by more than "
        "chance, and that difference is about what the score is off by. The interval and the verdict allow for it, as long as doubling "
        "the banks halves what is left of it, or better; for a large part of the score that need not be so.\n\n"
        "Give more: `banks = 256`. If that cannot be afforded, scrub a part of the circuit, or use `sampling = shared` and say so.",
    ),
    "W067": Code(
        "Drawing together or apart gives another score",
        "Several nodes, or several units of one, carry the same feature for the same reader. Whether they take their values from one "
        "donor or from one each changes the score by more than chance, so what they write depends on more than the feature, and those "
        "other parts go together: they cancel, or add up, only within one prompt.\n\n"
        "State which is meant (`together` after `carries`), or name the finer feature that they share.",
    ),
    "W068": Code(
        "Another grouping of what is left out scores lower",
        "What a hypothesis leaves out of a node's inputs is taken from one prompt, so left-out parts that hold each other in check keep "
        "doing so. An adversary, asked for with `adversary =`, found groups of them that, drawn from prompts of their own, lower the "
        "score by more than chance, on prompts it had not looked at.\n\n"
        "The hypothesis says nothing of those parts, so the lower score is as much its own. Name the parts as nodes, or state the "
        "grouping with `others =`.",
    ),
}
