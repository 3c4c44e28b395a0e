"""What `explain` says about the codes of reports and evidence files."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C650": Code(
        "evidence not written",
        "The evidence could not be written to its folder: the disk is full, the folder is read-only, or a file stands where the folder "
        "should be.\n\nNothing was lost: new evidence is written beside the old file and put in its place in one step, so an earlier file "
        "of that name is as it was.\n\nMake room or name another folder with --output and run again.",
    ),
    "C651": Code(
        "evidence not found",
        "The file that was named cannot be opened. Evidence is written by `circuitdsl verify` as NAME.evidence.json beside the figure, or "
        "in the folder named with --output.",
    ),
    "C652": Code(
        "not evidence",
        "The file is not an evidence file of circuitdsl: it is not JSON, it is cut short, or it is JSON of something else.\n\nEvidence "
        "files are JSON objects with a `schema_version`; docs/evidence.schema.json describes them. Run `circuitdsl verify` again to make "
        "a new one.",
    ),
    "C653": Code(
        "evidence of another version",
        "The evidence was written in a format that this circuitdsl does not read. The number is `schema_version` in the file.\n\nA newer "
        "format needs a newer circuitdsl; an older one needs the claims to be verified again.",
    ),
    "C654": Code(
        "damaged evidence",
        "The file says that it is evidence, but parts of it are missing or have the wrong form, so none of its numbers are used.\n\nIt was "
        "edited by hand or damaged on its way. Run `circuitdsl verify` again.",
    ),
    "C610": Code(
        "evidence of other conditions is in the way",
        "A file of the name that this run writes is there already, and holds evidence of another model, other weights, another seed, "
        "number of prompts, or dtype. Nothing is written over it without a word.\n\n"
        "What `--model`, `--prompts`, `--seed` and `--dtype` change is in the names of the files that a run writes, such as "
        "NAME.seed-1.evidence.json, so this happens where the file's own settings have changed, or the weights.\n\n"
        "Move the file, name another folder with --output, or say --force.",
    ),
    "C655": Code(
        "arrays missing",
        "Columns of more than 10,000 prompts are kept in a safetensors file beside the evidence; the evidence names it. That file is "
        "missing or is not the one that was written with it.\n\nKeep both files in one folder when they are moved.",
    ),
}
