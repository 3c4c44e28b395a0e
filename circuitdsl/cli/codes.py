"""Codes of the command line."""

from circuitdsl.borders.codes import Code

CODES = {
    "C590": Code(
        "the system refused a file",
        "Reading or writing a file failed for a reason outside the program: no permission, a full disk, a folder where a file was "
        "meant. The system's own words are shown. Nothing that was there before was changed.",
    ),
    "C591": Code(
        "a file is in the way",
        "`init` does not write over a file. Name another, or say `--force`.",
    ),
    "C592": Code(
        "a file could not be laid out",
        "`fmt` lays a file out beside it and puts it in its place in one step, which needs a folder that can be written. The file is as "
        "it was; the other files that were named are laid out all the same.\n\n"
        "`circuitdsl fmt - < FILE` prints the text laid out, and `fmt --check` says whether it is.",
    ),
    "C599": Code(
        "a mistake of the program",
        "Something happened that the program was not written for. The traceback is in the file that is named; please report it. Exit "
        "status 70.",
    ),
    "W062": Code(
        "Judged at the end",
        "`--sequential` looks at the verdicts while prompts are still being measured. That is valid only for numbers whose bounds are "
        "known before anything is measured: shares of prompts and attention, which lie between 0 and 1. Differences of logits and "
        "ratios of them have no such bounds. It is valid only for templates that are fixed, too: where there are ten or more, each with "
        "several prompts, they count as a sample, and prompts of one template go together.\n\n"
        "The claim is therefore judged once, on all prompts, as without `--sequential`. Nothing is wrong with it.",
    ),
}
