"""What the pages show is true: every `.circ` block checks, every command is one, every link leads somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from circuitdsl.borders import document as doc
from circuitdsl.borders.source import Source
from circuitdsl.language.parser import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"])
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name, text in TEXTS.items()
    for number, block in enumerate(re.findall(r"^```circ\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
]
AROUND = """
model "openai-community/gpt2"
vocab people = "Mary", "John", "Alice", "Peter", "Laura", "Kevin"
vocab years = "02".."98"
prompts clean {
  "{block}{block} {IO} and {S1} talked from {YY} on, then {S2} wrote to"
  block in random tokens 25
  IO, S1 in people distinct
  S2 = S1
  YY in years
  answer IO wrong S1
}
prompts abc from clean { redraw IO, S1, S2 distinct }
metric logit_diff = logit(answer) - logit(wrong) @ END
nodes {
  previous = heads 2.2; duplicate = heads 3.0; inhibition = heads 7.3, 8.6; mover = heads 9.6, 9.9; body = mlps *
}
edges all
settings { ablate = resample(abc); prompts = 32 }
"""
"""What a block of a page may take for granted. What the block declares itself takes its place."""


def whole(block: str) -> str:
    """The block, and before it what it takes for granted."""
    own = parse(Source(block)).statements
    named = {_names(one) for one in own}
    drawn = any(isinstance(one, doc.PromptsStatement) and one.base is None for one in own)
    left = [
        AROUND[one.span.start : one.span.end]
        for one in parse(Source(AROUND)).statements
        if _names(one) not in named and not (drawn and isinstance(one, doc.PromptsStatement | doc.MetricStatement | doc.SettingsStatement))
    ]
    return "\n".join([*left, block])


def _names(statement: doc.Syntax) -> tuple[str, str]:
    """What a statement declares: of a kind that stands once in a file, the kind."""
    name = getattr(statement, "name", None)
    return type(statement).__name__, name.text if isinstance(name, doc.Name) else ""


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_checks(circuitdsl, tmp_path, block):
    """As it stands, with what it leaves out; or it is a part of a hypothesis that ships."""
    if "found_on" in block:  # evidence that the reader has, and this folder has not
        assert parse(Source(whole(block))).statements
        return
    if any(block in path.read_text() for path in ROOT.glob("hypotheses/*.circ")):
        return
    page = TEXTS["docs/language.md"]
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "prompts.circ").write_text("feature shared = template\n")
    (tmp_path / "places.txt").write_text("store\nschool\n")
    (tmp_path / "cities.tsv").write_text("Paris\tFrance\nTokyo\tJapan\n")
    (tmp_path / "pairs.jsonl").write_text(re.search(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    path = tmp_path / "block.circ"
    path.write_text(whole(block))
    ran = circuitdsl("check", path)
    assert ran.status == 0, ran.err + path.read_text()


# ---------------------------------------------------------------- what pages lead to and name


@pytest.mark.parametrize("page", PAGES, ids=TEXTS)
def test_every_link_and_every_file_that_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*|\w+\.(?:py|md|circ))`", text)
    folders = ("circuitdsl", "tests", "docs", "hypotheses", "benchmarks", "grammar", ".ci")
    there = [f"/{path.relative_to(ROOT).as_posix()}" for folder in folders for path in (ROOT / folder).rglob("*")]
    assert [name for name in named if name != ".bench/" and not any(path.endswith(f"/{name.rstrip('/')}") for path in there)] == []


@pytest.fixture(scope="module")
def options():
    """Every command of the program, and its options."""
    from typer.main import get_command

    from circuitdsl.cli import main  # noqa: F401  (it adds the commands)
    from circuitdsl.cli.app import app

    commands = get_command(app).commands
    return {name: {word for one in command.params for word in (*one.opts, *one.secondary_opts)} for name, command in commands.items()}


def test_every_command_that_is_shown_is_one_and_takes_what_it_is_given(options):
    shown = [line for text in TEXTS.values() for line in re.findall(r"^(?: {4})?circuitdsl .*|(?<=`)circuitdsl [^`]*", text, re.MULTILINE)]
    assert len(shown) >= 20
    for line in shown:
        _, command, *arguments = shlex.split(line, comments=True)
        assert command in options, line
        assert {word for word in arguments if word.startswith("-")} <= options[command], line


def test_every_option_that_is_named_is_one(options):
    known = set().union(*options.values()) | {"--version", "--help"}
    outside = {"--no-deps", "--quick", "--resume"}  # of pip and of the benchmarks
    named = {word for text in TEXTS.values() for word in re.findall(r"(?<![\w-])--[a-z][\w-]*", text)}
    assert named - known - outside == set()


def test_every_command_is_in_a_page(options):
    said = "\n".join(TEXTS.values())
    assert [name for name in options if f"circuitdsl {name}" not in said.replace("circuitdsl\nmodels", "circuitdsl models")] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_code_that_is_named_is_one(name):
    from circuitdsl.cli.explanations import codes

    assert set(re.findall(r"\b[CW]\d{3}\b", TEXTS[name])) <= set(codes())


def test_every_variable_of_the_environment_is_in_the_readme():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "circuitdsl").rglob("*.py"))
    read = set(re.findall(r'"(CIRCUITDSL_[A-Z_]+|SOURCE_DATE_EPOCH|NO_COLOR)"', code))
    assert len(read) == 4 and read == {name for name in read if f"`{name}`" in TEXTS["README.md"]}


def test_the_page_of_families_names_all_that_a_family_may_say():
    from circuitdsl.models.family import Family

    members = {name for name in [*vars(Family), *Family.__annotations__] if not name.startswith("_")}
    table = "".join(line.split("|")[1] for line in TEXTS["docs/families.md"].splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)", table)) == members


def test_every_section_that_is_cited_is_there():
    """Code, explanations and pages cite the sections of the page of semantics by number."""
    page = TEXTS["docs/semantics.md"]
    there = {int(number) for number in re.findall(r"^## (\d+)\. ", page, re.M)}
    cited = set()
    for path in [*(ROOT / "circuitdsl").rglob("*.py"), *(ROOT / "docs").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!docs/)\bsemantics(\.md)?:|(?<![/(\[])\bsemantics\.md", text), f"{path} cites the page without its folder"
        cited.update(
            int(number)
            for several in re.findall(r"semantics\.md, sections? ([\d and,]*\d)", text)
            for number in re.findall(r"\d+", several)
        )
    assert len(cited) > 4 and cited <= there
