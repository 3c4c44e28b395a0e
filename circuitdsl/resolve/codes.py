"""What `explain` says about the codes of this stage."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C101": Code(
        "file not found",
        "The file after `use` is not there or cannot be read.\n\n"
        "Names are relative to the folder of the file that is checked. Only text files in UTF-8 can be used.",
    ),
    "C102": Code(
        "file outside the project",
        "`use` may only name files in the folder of the file that is checked, or below it. Links are followed first, so a link does "
        "not lead out either.\n\nA hypothesis can be opened from anywhere without reading anything else on the machine. Copy the file.",
    ),
    "C103": Code(
        "files that use each other in a circle",
        "A file uses itself, perhaps through others. Put what they share into a third file that both use.",
    ),
    "C104": Code(
        "said twice",
        "`circuit`, `model` and `settings` are said once, all used files taken together. (The title of a used file does not count, "
        "and two files may name the same model.)",
    ),
    "C105": Code(
        "no model",
        'A hypothesis is about one model. Write `model "NAME"`: a Hub id, a folder of a model, or a GGUF file.',
    ),
    "C106": Code(
        "no prompts",
        "Everything is measured on prompts, and the file has none. Write `prompts clean { … }` with a template, or "
        '`prompts clean from "FILE.jsonl"`.',
    ),
    "C110": Code(
        "name declared twice",
        "Nodes, slots, vocabularies, prompts, metrics and features share one set of names, so that a name means the same everywhere. "
        "Several prompts may have a slot of the same name. Labels of claims are apart.",
    ),
    "C111": Code("unknown name", "Nothing of this kind has that name. Names are told apart by capital letters too."),
    "C112": Code("name of something else", "The name is declared, but as another kind of thing than is wanted here."),
    "C113": Code(
        "reserved name",
        "`embed` and `logits` are units of every model, `END` is the last token of a prompt, `template` the feature that tells "
        "templates apart. Choose another name.",
    ),
    "C120": Code("no such layer", "Layers count from 0, so a model of 30 layers has layers 0 to 29."),
    "C121": Code(
        "no such head",
        "Heads count from 0 in each layer: `heads 9.6` is head 6 of layer 9, and `9.10` is head ten. With grouped queries it is the "
        "query heads that are counted.",
    ),
    "C122": Code("no such neuron", "Neurons are the inputs of an MLP's last projection. They count from 0 in each layer."),
    "C123": Code("no MLPs", "The model is attention-only: it has no MLPs and no neurons."),
    "C125": Code("named twice", "A node names each unit once, and a group each node once. `heads 9.*` already contains `9.6`."),
    "C126": Code(
        "an MLP and a neuron of it",
        "A neuron is a part of its MLP. With both in a hypothesis the neuron's contribution would count twice.\n\n"
        "Keep the MLP, or name neurons alone.",
    ),
    "C127": Code(
        "a unit in two nodes",
        "Two nodes may share a unit only at different positions: each stands for the unit's value there, with incoming edges of its "
        "own. In some prompt these two stand at the same token.\n\nGive them different positions, or make a group of both.",
    ),
    "C130": Code("group that contains itself", "A group is a node made of other nodes; it cannot be among them, also not through others."),
    "C131": Code(
        "group of units and nodes",
        "A node is made of units or of other nodes, not of both; `embed` and `logits` are in no group.\n\n"
        "Give the units a node of their own, and put that node into the group.",
    ),
    "C132": Code(
        "group with positions of its own",
        "Positions, `carries` and `together` are said of nodes made of units. A group has those of its members.",
    ),
    "C140": Code(
        "position that is not there",
        "The position does not exist in some prompt that something is measured on: the slot is not in its text, it has fewer tokens "
        "than the index says, or the shift leaves the prompt.\n\nThe message shows such a prompt, its tokens divided by `|`.",
    ),
    "C141": Code(
        "which occurrence is meant",
        "The slot stands several times in the text. Write `block:1`, `block:2`, … for the one that is meant; they count from 1.",
    ),
    "C142": Code(
        "position that makes no sense",
        "`END` is one token. A slot's position is its last token, `SLOT.first` its first, `SLOT[2]` the third, `SLOT[1..4]` a range of "
        "them, `SLOT+1` the token after it.",
    ),
    "C143": Code(
        "nothing to deliver there",
        "`@` after a sender says at which of its positions its value is delivered. The node has no value at some of these: they must "
        "be among its own positions.",
    ),
    "C144": Code("position named twice", "The same position is in the list twice."),
    "C151": Code(
        "units in an edge",
        "Edges join named nodes, because they are reported, cut and drawn by name. Declare a node for the units. "
        "(Paths in claims may name units in place.)",
    ),
    "C152": Code(
        "no such port",
        "A head reads the residual stream through its queries, keys and values: `.q`, `.k`, `.v`. MLPs, neurons and `logits` read in "
        "one way, which has no name.",
    ),
    "C153": Code(
        "port or positions on the wrong side",
        "Ports belong to receivers, because they say how a unit reads. `@` in an edge belongs to senders, because a receiver reads at "
        "the positions of its node.",
    ),
    "C154": Code(
        "edge that the model lacks",
        "A unit reads only what was written before it. Heads of one layer do not read each other, an MLP does not read itself, and in "
        "a parallel block (GPT-NeoX, Pythia) the MLP does not see the attention of its own layer.\n\n"
        "Pairs of units that have no edge are left out silently; a written edge that is left with none is a mistake.",
    ),
    "C155": Code("edge written twice", "The same edge, into the same port, is stated twice."),
    "C156": Code(
        "node on no path",
        "No path leads from `embed` through this node to `logits`, so it has no part in the circuit's run.\n\n"
        "Add the edges that are missing. If it is meant to stand apart, say `unconnected` after it.",
    ),
    "C157": Code(
        "other edges beside `edges all`",
        "`edges all` states every edge between the declared nodes, `embed` and `logits`. It cannot be mixed with single edges.",
    ),
    "C158": Code(
        "delivered twice",
        "Two edges deliver the same unit's value to the same port, at positions that are one token in some prompts. Which of the two "
        "would be cut there, or drawn for, is not said.\n\n"
        "Name the positions in one edge (`mover @ S1, END -> reader`). An edge without positions may stand beside one with them.",
    ),
    "C301": Code(
        "unknown setting",
        "Settings are `prompts`, `seed`, `ablate`, `confidence`, `explore`, `subset`, `bos`, `answers`, `unequal`, `align`, `norm` and "
        "`found_on`.",
    ),
    "C302": Code("value of a setting", "The setting does not take such a value. Shares are written as numbers: 0.95, not 95."),
    "C303": Code(
        "no such ablation",
        "An ablation is what everything outside the circuit is set to: `resample(NAME)` takes values from those prompts, `mean(NAME)` "
        "their mean, `zero` nothing at all.",
    ),
    "C304": Code("setting said twice", "Each setting is said once."),
    "C310": Code("unknown measure", "No measure has that name. `circuitdsl explain` lists those there are."),
    "C311": Code(
        "which statistic is meant",
        "The literature uses this word for several statistics, which give different numbers. The variant is part of the name, so that "
        "a reader knows which was measured.",
    ),
    "C312": Code(
        "arguments of a measure",
        "A measure takes a metric, a path or a node first, some also a slot. Everything else is written `name = value`.",
    ),
    "C313": Code("unknown option", "The measure has no option of that name. `circuitdsl explain MEASURE` lists them."),
    "C314": Code("value of an option", "The option does not take such a value."),
    "C315": Code("missing option", "The measure cannot be computed without this option, and there is no sensible default."),
    "C316": Code(
        "no ablation",
        "The circuit's run needs to know what everything outside the circuit is set to. Results depend on it so much that there is no "
        "default: say `ablate = …` in the claim, or in `settings` for all claims.",
    ),
    "C317": Code("option given twice", "Each option is given once."),
    "C318": Code(
        "members of a claim",
        "`each unit`, `each node` and `each edge` make a claim about every member of the circuit, and `each NAME` about every unit of a "
        "node. Not every measure can do this, and some can do nothing else.",
    ),
    "C319": Code("`each` twice", "A claim goes through one kind of member, or through the members of one node."),
    "C320": Code("label twice", "Labels tell claims apart in reports and in the figure, so each is used once."),
    "C321": Code(
        "no margin",
        "A measured number is never exactly equal to another. `= 1 +- 0.2` claims that it lies between 0.8 and 1.2, and is tested from "
        "both sides; the margin is above 0.",
    ),
    "C323": Code(
        "bound out of reach",
        "The measure cannot take such values, so the claim would be decided before anything is measured. Shares are between 0 and 1.",
    ),
    "C324": Code(
        "no metric", "The measure is a change of a metric. Declare one, such as `metric logit_diff = logit(answer) - logit(wrong) @ END`."
    ),
    "C325": Code(
        "step that the model lacks",
        "No unit at the start of this step writes before any unit at its end reads. Units of a path that lie on no complete way are "
        "left out; here none is left.",
    ),
    "C326": Code(
        "no answers",
        "The measure compares the answer of each prompt with its wrong answers, and the prompts state none. "
        "Write `answer IO wrong S1` in them.",
    ),
    "C327": Code(
        "no donors",
        "Values are exchanged only between prompts of the same layout: the same template, length, and tokens of each slot. "
        "These prompts have none for some of the measured ones.\n\n"
        "Prompts that are derived from the measured ones (`from clean`) always fit.",
    ),
    "C328": Code(
        "no prompts left",
        "Measurements, and measures that choose something before they judge, use the exploring part of the prompts; verdicts use the "
        "rest, so that nothing is judged on the prompts that it was found on. `explore` is the share of the first part.",
    ),
    "C329": Code(
        "no circuit",
        "The measure is about the circuit, that is about edges, and the file states none. `edges all` states every edge between the "
        "declared nodes.",
    ),
    "C330": Code(
        "wrong kind of unit",
        "The measure exists for some kinds of units only. Attention patterns belong to heads.",
    ),
    "C331": Code(
        "metric that these prompts lack something for",
        "The metric reads something, wrong answers for example, that the claim's prompts do not declare; other prompts of the file do. "
        "Without `on = PROMPTS` a claim is measured on the file's first prompts.",
    ),
    "C340": Code(
        "evidence that does not say what was looked at",
        "`found_on` names the evidence of the runs that the hypothesis was found with, or folders with such files. A file is not "
        "evidence, or was written before evidence named the prompts that a run looked at; or a folder has none but the file's own.",
    ),
    "C341": Code(
        "verdicts on prompts that were looked at",
        "A hypothesis that was found by looking at numbers fits the prompts that gave them, by chance as well as in truth. Judged on the "
        "same prompts it looks better than it is, so its verdicts have to rest on others.\n\n"
        "A run looks at its exploring part, at the prompts of its verdicts, and at those of its figure. Keep `prompts`, `seed` and "
        "`explore` of a run that only measured: the verifying part is then the one that it did not look at. Another `seed` helps where "
        "there are far more prompts than are drawn; where there are few, write other values into the vocabularies.",
    ),
    "W030": Code("declared for nothing", "Nothing uses this declaration. It may have been forgotten somewhere."),
    "W031": Code(
        "edges that overlap",
        "Two edges as written share links between units, through a group and its member, or with and without a port. Each link counts "
        "once in the circuit. When one of the edges is cut, the links that they share stay, because the other still states them.",
    ),
    "W032": Code(
        "units on no path",
        "The node takes part in the circuit, but these units of it do not: no path leads from `embed` through them to `logits`. "
        "Mostly they come too late or too early in the model for the edges of the node.",
    ),
    "W033": Code("connected after all", "The node is said to be `unconnected`, but a path leads through it."),
    "W034": Code("group that lies nowhere between", "No unit of the group between the brackets lies between the two ends of this step."),
    "W035": Code(
        "edge that carries nothing",
        "Queries and MLPs read at their own position, keys and values at it and at those before. The sender's value is delivered at "
        "other positions, in every prompt, so cutting this edge changes nothing.",
    ),
    "W036": Code(
        "found on another model",
        "`found_on` names the evidence of a run on another model. What was found there may hold here too, and is then tested on a model "
        "that nobody looked at; but if the wrong file is named, prompts that were looked at go unnoticed.",
    ),
    "W075": Code(
        "a claim that its own bound decides",
        "The bound stands at the end of what the measure can be, so no measurement could make the claim false (or none could make it "
        "true): a share is never below 0, and `complement >= 0` holds by definition. Its verdict says nothing about the model.\n\n"
        "`circuitdsl explain MEASURE` prints the range. Claim a bound inside it.",
    ),
    "W039": Code(
        "attention to what comes later",
        "A position attends to itself and to those before it. `key` lies behind `query` in every prompt, so the attention is 0 whatever "
        "the head does; perhaps the two are the wrong way round.",
    ),
}
