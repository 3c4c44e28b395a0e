"""What `explain` says about the codes of this stage."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C201": Code(
        "file cannot be read",
        "A vocabulary or prompts name a file that is not there or cannot be read. Names are relative to the folder of the `.circ` file.",
    ),
    "C202": Code(
        "file outside the project's folder",
        "A `.circ` file can be opened from anywhere without harm, so it reads nothing outside its own folder, links followed. "
        "Copy the file next to it, or below.",
    ),
    "C203": Code(
        "empty vocabulary, value or file",
        "A slot needs at least one value, and every value at least one character: an empty value has no token.",
    ),
    "C204": Code(
        "line with another number of fields",
        "In a file for a vocabulary with fields, every line has one text for each field, separated by tabs.",
    ),
    "C205": Code(
        "not a range of equal width",
        'A range goes from a smaller to a larger number written with equally many digits, such as `"02".."98"`, so that all its '
        "values look alike.",
    ),
    "C206": Code(
        "no such field",
        "`fact.capital` is the field `capital` of the vocabulary that `fact` is drawn from. A slot with fields is used through "
        "them, except where whole values are exchanged (`fact = rival`). `.first` and `.last` pick a token, so no field may "
        "have these names.",
    ),
    "C207": Code(
        "file too large",
        "A vocabulary's file may have at most 16 MiB.",
    ),
    "C208": Code(
        "file is not UTF-8",
        "Text files are read as UTF-8. Save the file with this encoding.",
    ),
    "C209": Code(
        "reserved name",
        "`END`, `template`, `answer`, `wrong`, `embed` and `logits` have a meaning of their own, and cannot name anything else.",
    ),
    "C210": Code(
        "unknown vocabulary",
        "`IO in names` draws from a vocabulary that the file declares: `vocab names = …`.",
    ),
    "C211": Code(
        "unknown base",
        "`prompts abc from clean` is made from prompts that stand before it in the file.",
    ),
    "C212": Code(
        "unknown slot",
        "A slot is declared where it is drawn (`IO in names`) or defined (`S2 = S1`), in the same prompts or in those that they "
        "are made from. In prompts from a file, keys of the lines other than the language's own are slots.",
    ),
    "C213": Code(
        "not possible in prompts of this form",
        "Prompts with templates draw, define and answer; prompts made `from` others redraw, assign and answer, and keep their "
        "templates; prompts from a file take everything from it, also their counterfactuals.",
    ),
    "C214": Code(
        "prompts without a template",
        "Prompts need at least one template, a text in quotes with slots in braces, or a file.",
    ),
    "C215": Code(
        "declared twice",
        "Slots, vocabularies, prompts, metrics and features share one set of names, and each is declared once. (Several prompts "
        "may have a slot of the same name.) A slot gets its value in one place, and prompts have one answer.",
    ),
    "C216": Code(
        "not enough values",
        "`distinct` needs at least as many values in the vocabulary as there are slots.",
    ),
    "C217": Code(
        "block of a strange length",
        "`block in random tokens 25` draws 25 token ids; a block has 1 to 100,000.",
    ),
    "C218": Code(
        "this cannot be assigned or redrawn",
        "Slots are assigned and redrawn whole, or at one occurrence (`block:2`), not field by field; both sides of `=` must be "
        "of one kind (text, value with fields, block of tokens); and only a slot that has a vocabulary can be redrawn.",
    ),
    "C219": Code(
        "defined by itself",
        "Slots, features or metrics refer to each other in a circle, so none of them has a value.",
    ),
    "C220": Code(
        "braces in a template",
        "`{name}` is a slot and `{fact.country}` a field of one. Occurrences are counted by themselves. Literal braces are "
        "doubled: `{{` and `}}`.",
    ),
    "C221": Code(
        "pair of unequal layouts",
        "A prompt and its counterfactual are compared position by position, so both need the same number of tokens, and every "
        "slot at the same tokens. The message shows both, `!` marking the first differences.\n\n"
        "Choose values of as many tokens as those they replace. `redraw` does so by itself; assigned values cannot be chosen. Pairs of a "
        "data file can be left out: `settings { unequal = leave_out }`.",
    ),
    "C222": Code(
        "nothing to redraw",
        "A redrawn slot takes values with as many tokens as the value that it replaces, with `distinct` also different from "
        "each other and from all values of the same vocabulary in the prompt. For some prompt no such value is left. Add values "
        "to the vocabulary.",
    ),
    "C223": Code(
        "answer cannot follow the prompt",
        "The target is the token that would follow the prompt. Here appending the answer changes the tokens of the prompt "
        "itself, so no single token follows. Usually the prompt ends with a space: leave it out, the answer brings its own.",
    ),
    "C224": Code(
        "bad line in a file of prompts",
        "Each line is one JSON object; CSV and TSV have one row each, their first line names the keys. The keys: `clean` (the prompt), "
        "`counterfactual`, `answer`, `wrong` (a text or a list), `counterfactual_answer`, `counterfactual_wrong`, `positions`, `cluster`, "
        "`template`. All further keys with a text or number are slots, and every line has the same.\n\n"
        "Where a key is not there, the names that other projects' files have for it are read: `prompt`, `clean_prompt`, `clean_prefix`; "
        "`corrupted`, `corrupt`, `corrupted_prompt`, `corrupt_prompt`, `counterfactual_prompt`, `patch_prefix`; `answers`, `correct`, "
        "`clean_answer`; `wrong_answers`, `incorrect`; `corrupted_answer`, `corrupt_answer`, `patch_answer`. Numbers of tokens "
        "(`correct_idx`) belong to one vocabulary, and are not read: write texts. There is one right answer: of several, the one that "
        'counts is `answer`, and another can be a slot that a metric spells out, such as `logit("{other}")`.\n\n'
        "A position is the index of a token, counted from 0 in the text's own tokens (BOS is not counted, −1 is the last), or a "
        "pair `[start, end)` of characters in `clean`.",
    ),
    "C230": Code(
        "a metric is one number",
        "Metrics are built from `logit`, `logprob`, `prob`, `loss`, `kl`, other metrics and numbers, with `+ - * /` and the "
        "folds `sum`, `mean`, `max`. Conditions stand behind `if` in a fold; folds do not contain folds, `loss` or `kl`.",
    ),
    "C231": Code(
        "unknown metric",
        "A name in a metric is another metric of the file.",
    ),
    "C232": Code(
        "unknown function",
        "`logit(t)`, `logprob(t)` and `prob(t)` are those of a token, `loss(span)` the mean of minus the log-probability of the "
        "tokens of a span, `kl` the divergence from the model's own run. Folds are `sum`, `mean` and `max`: `max(logit(w) for w "
        "in wrong)`.",
    ),
    "C233": Code(
        "wrong argument in a metric",
        "`logit`, `logprob` and `prob` take a slot, `answer`, `wrong`, a fold's variable, a text in quotes, or `SLOT = VALUE`; "
        "`loss` takes positions; `kl` takes nothing.",
    ),
    "C234": Code(
        "no such position",
        "A metric is read at one token: `END`, a slot (its last token), `S1+1`, `block:2[7]`. The position must be there in every prompt.",
    ),
    "C235": Code(
        "these cannot be compared",
        "Slots and features are compared with `== != < <= > >=` and joined by `and`, `or`, `not`; `bin(YY, 10, 50)` cuts "
        "numbers into classes. Texts that are all integers are ordered as numbers, others as text. A number can only be "
        "compared with texts that are integers.",
    ),
    "C236": Code(
        "no answer, or several wrong ones",
        "`answer` and `wrong` are what the prompts declare with `answer A wrong B`. Where there are several wrong answers, a "
        "fold says which is meant: `max(logit(w) for w in wrong)`.",
    ),
    "C237": Code(
        "equality of decimals",
        "Numbers with decimals are almost never exactly equal; compare them with `<` or `>`.",
    ),
    "C238": Code(
        "fold too large",
        "A fold looks up one token for each prompt and value, at most 20 million.",
    ),
    "C239": Code(
        "fold of nothing",
        "The condition of a `mean` or `max` leaves no item for some prompt; only an empty `sum` has a value, 0. Or nothing is left of a "
        "fold in any prompt, or none of the values that its condition leaves for a prompt has a token of its own: the number would "
        "say nothing about the model.",
    ),
    "C240": Code(
        "value without a token of its own",
        "`logit(IO)` is the logit of the token that IO's slot has in that very prompt. There is no such token where the slot "
        "stands at the start of the text (where tokens differ from those after a space), is not in the text, has different "
        "tokens at different places, or shares a token with its neighbours.\n\n"
        'Spell out what is meant, with its space: `logit(" {IO}")`; or use `logit(answer)`.',
    ),
    "C241": Code(
        "no BOS token",
        "`bos = true` puts the tokenizer's BOS token before each prompt, and this model's tokenizer has none. Remove the setting.",
    ),
    "C242": Code(
        "data file of another form",
        "The ending of a file's name says how it is read: `.csv` and `.tsv` with a first line that names the columns, `.json` as one "
        "document, `.parquet`, and any other as JSON lines, one object a line. A JSON document is an array of objects, an object of arrays "
        "of equal length, or an object that has one array of objects.",
    ),
    "C243": Code(
        "pyarrow is missing",
        "Parquet is read by pyarrow, which is an extra: `pip install 'circuitdsl[parquet]'`. CSV and JSON need nothing.",
    ),
    "W041": Code(
        "pairs of unequal length left out",
        "A prompt and its counterfactual are compared position by position, so both need the same number of tokens. With "
        "`settings { unequal = leave_out }` the pairs of a data file that have not are left out, and others drawn in their place. What is "
        "measured then speaks of the pairs that are left, which may differ from the rest in more than their length.",
    ),
    "W017": Code(
        "duplicate fillers",
        "Two slots of a prompt happen to have the same value in some prompts and not in others. Those prompts ask something else: with "
        "one name twice there is no other one to tell it from, and a donor that repeats a name has the very structure that it was "
        "meant to lack.\n\nDraw the slots `distinct`, or, if they are meant to agree, assign one to the other.",
    ),
    "W018": Code(
        "BOS twice",
        "The text writes the BOS token out, and the tokenizer adds it as well. Models never see this in training. Drop one.",
    ),
    "W019": Code(
        "prompts of the same text",
        "Prompts that differ only in slots that are not in the text, or lines of a file that repeat, are the same to the model. "
        "They count as several prompts, so intervals look narrower than they are.",
    ),
    "W020": Code(
        "values of a fold share tokens",
        "Some values of the vocabulary begin with the same token (they have several tokens, of which the first counts), so a "
        "sum of probabilities counts that token several times. Use values of one token.",
    ),
    "W021": Code(
        "repeated values",
        "A value that is written twice in a vocabulary counts once, so that all values are equally likely.",
    ),
    "W022": Code(
        "value of several tokens",
        "Only one token can be looked at: the first of the value, unless `.last` says otherwise. Different values may begin "
        "with the same token.",
    ),
    "W023": Code(
        "counterfactual without a change",
        "These prompts are made from others and change nothing: every pair is a prompt and itself.",
    ),
    "W024": Code(
        "prompts left out",
        "In some prompts a slot's characters share a token with the text beside it (as the digits of a year may), so that it "
        "has neither a position nor a target there. These prompts are left out, and others drawn in their place.",
    ),
    "W025": Code(
        "fewer prompts than asked for",
        "The declaration has fewer different prompts than the setting `prompts` asks for. All are used, each once.",
    ),
    "W026": Code(
        "slot that shares its tokens",
        "In all prompts of a template the slot's first or last token also holds characters beside it (such as the plural s "
        "after a noun). As a position it means that token; as a target it cannot be used.",
    ),
    "W027": Code(
        "counterfactual equal to its prompt",
        "Redrawing may give the same value again, and then there is nothing to see in that pair. `redraw … distinct` takes "
        "values that are not in the prompt.",
    ),
    "W028": Code(
        "answer and wrong answer alike",
        "The answer's target token is also that of a wrong answer: their difference is 0 and neither can win. Draw the slots "
        "`distinct`, or choose values that begin with different tokens.",
    ),
    "W029": Code(
        "values left out of a fold",
        "With these values the slot would share its token with the text beside it, or the value cannot follow the prompt. They "
        "have no token of their own and are left out for those prompts.",
    ),
    "W040": Code(
        "answers joined to the prompt's last word",
        "Answers in data files are exact: nothing is put between the prompt and them. After a prompt that ends in a word, the answer "
        "`Mary` goes on with that word and is another token than ` Mary`. Write the space into the file if a new word is meant.",
    ),
    "W037": Code(
        "two spaces before a value",
        'A value begins with a space, and so does its place in the template: `"to {place}"` with `" school"` has two spaces before the '
        "word. The second is a token of its own, and the model has hardly seen such texts. Values are written as words; their tokens are "
        "found in the prompt, with the space that stands there.",
    ),
    "W038": Code(
        "metric of the wrong sign",
        "The metric falls as the answer becomes likelier, and does not say `lower`: what helps the behaviour then has an effect above 0. "
        "The usual one is `logit(answer) - logit(wrong)`; one that should be small is marked: `metric m = kl, lower`.",
    ),
}
