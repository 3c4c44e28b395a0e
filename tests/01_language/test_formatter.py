"""The canonical layout, by example."""

from pathlib import Path

import pytest

from circuitdsl.borders import document as d
from circuitdsl.borders.source import Source
from circuitdsl.language.formatter import format_document
from circuitdsl.language.grammar import parser
from circuitdsl.language.parser import parse, read_source

BEFORE = '''
# the file's head


circuit   "Title"   # the title
"""
 A description
"""
cite "a","b"
vocab names="Mary","John"   # or from a file
vocab places   =  "store"
prompts clean{"When {IO}";IO , S1 in names distinct
  answer IO wrong S1}
prompts abc from clean {redraw IO}     # one
prompts swapped from clean { S2=IO;answer S1 wrong IO }  # two
metric m=logit(answer)-(logit(wrong)-(1+2)*3) @END

nodes {

  # before the first
  a=heads 9.6,heads 9.9,mlps 0..3@END  # first
  longer = heads 10.*@(S1,S2) carries S1   # second
  c=a,longer


  # at the end
}
edges { embed->a.q;a , longer
   -> logits }
settings { prompts=256;seed=0 }
settings {
  prompts = 256
  ablate = mean(abc)  # all on one line no more
}
claims {
  x: f(m) >= .5
  longer: warn effect(a -[ mlps * ]-> logits,from=abc)=1+-.2
  y: f( m ,  # inside
    of=model)>1   # behind
  z: f(m)
}
# the end
'''

AFTER = '''# the file's head

circuit "Title"  # the title
"""
 A description
"""
cite "a", "b"
vocab names  = "Mary", "John"  # or from a file
vocab places = "store"
prompts clean {
  "When {IO}"
  IO, S1 in names distinct
  answer IO wrong S1
}
prompts abc     from clean { redraw IO }                    # one
prompts swapped from clean { S2 = IO; answer S1 wrong IO }  # two
metric m = logit(answer) - (logit(wrong) - (1 + 2) * 3) @ END

nodes {
  # before the first
  a      = heads 9.6, 9.9, mlps 0..3 @ END                  # first
  longer = heads 10.*                @ (S1, S2) carries S1  # second
  c      = a, longer

  # at the end
}
edges {
  embed     -> a.q
  a, longer -> logits
}
settings { prompts = 256; seed = 0 }
settings {
  prompts = 256
  ablate  = mean(abc)  # all on one line no more
}
claims {
  x:      f(m)                                          >= 0.5
  longer: warn effect(a -[mlps *]-> logits, from = abc) = 1 +- 0.2
  # inside
  y:      f(m, of = model)                              >  1  # behind
  z:      f(m)
}
# the end
'''


def formatted(text: str) -> str:
    return format_document(parse(Source(text)))


def test_the_whole_layout():
    text = BEFORE.replace(".5", "0.5").replace("+-.2", "+-0.2")
    once = formatted(text)
    assert once == AFTER
    assert formatted(once) == once


@pytest.mark.parametrize("text", ["", "# only\n", "edges all\n", "edges all\n\n# end\n"])
def test_small_files(text):
    assert formatted(text) == text


def test_a_document_without_text_gets_blank_lines_around_blocks():
    name = d.Name("a")
    document = d.Document(
        (
            d.CircuitStatement(d.Text("t")),
            d.VocabStatement(d.Name("v"), values=((d.Text("x"),),)),
            d.VocabStatement(d.Name("w"), values=((d.Text("x"),),)),
            d.NodesStatement((d.NodeDef(name, (d.UnitRef("head", (9, 9), 6),)),)),
            d.EdgesStatement((d.EdgeLine(((d.Endpoint(name),), (d.Endpoint(d.Name("logits")),))),)),
        )
    )
    assert format_document(document) == (
        'circuit "t"\n\nvocab v = "x"\nvocab w = "x"\n\nnodes {\n  a = heads 9.6\n}\n\nedges {\n  a -> logits\n}\n'
    )


def test_numbers_and_escapes_are_written_as_they_were():
    text = 'settings { confidence = 0.950; a = 1e-3 }\nvocab v = "a\\n\\"b\\"", "\\\\"\n'
    assert formatted(text) == text


def test_parentheses_only_where_needed():
    assert formatted("metric m = ((a) + ((b * c))) - (d - e)") == "metric m = a + b * c - (d - e)\n"
    assert formatted("feature f = not (a and (b == c)) or (d)") == "feature f = not (a and b == c) or d\n"


def test_long_lists_are_broken_after_commas():
    text = formatted("vocab v = " + ", ".join(f'"value {number}"' for number in range(40)))
    lines = text.splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 120 for line in lines)
    assert all(line.endswith(",") for line in lines[:-1])
    assert all(line.startswith("    ") for line in lines[1:])
    assert formatted(text) == text


SHIPPED = sorted((Path(__file__).parents[2] / "hypotheses").rglob("*.circ"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_keep_their_tokens_and_comments(path):
    def tokens(text: str) -> list[str]:
        return [str(token).rstrip() for token in parser().lex(text) if token.type not in ("LINE_END", "_END")]

    source = read_source(path)
    once = format_document(parse(source))
    assert tokens(once) == tokens(source.text)
    assert formatted(once) == once
