"""From text to `Document`, with every syntax error of the file at once.

Lark's tables drive the parse token by token. A token that does not fit is explained (`mistakes.py`) and, where the text shows what was
meant, replaced; else the line is left out and the parse goes on behind it.
"""

from collections.abc import Sequence
from copy import copy

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from circuitdsl.borders.document import Document
from circuitdsl.borders.source import Source, Span
from circuitdsl.language.brackets import STATEMENTS, Balancer, begins_statement
from circuitdsl.language.build_document import DocumentBuilder
from circuitdsl.language.character_mistakes import Mender, span_of
from circuitdsl.language.grammar import parser
from circuitdsl.language.lines import OPERATORS, join_lines
from circuitdsl.language.reading import read_source
from circuitdsl.language.syntax_errors import SyntaxErrors
from circuitdsl.language.token_mistakes import ParserState, explain

HEAVY = OPERATORS | {"LPAR"}
HEAVIEST = 100
"""An expression has at most this many operators and parentheses, so that every stage may walk it by plain recursion."""


def parse(source: Source) -> Document:
    """The syntax tree of a file. Raises CircError with all of its syntax errors, sorted by place; never anything else."""
    problems = SyntaxErrors(source)
    made = parser()
    raw = list(made.lex(source.text))
    tokens = join_lines(Balancer(Mender(raw, problems).run(), problems).run())
    tree = Recovery(made, tokens, problems).run()
    document = DocumentBuilder(problems).build(tree)
    problems.raise_any()
    comments = tuple((token.start_pos or 0, str(token)) for token in raw if token.type == "COMMENT")
    return Document(document.statements, comments, source, span=document.span)


class Recovery:
    """The parse of a list of tokens that goes on after errors."""

    def __init__(self, made: Lark, tokens: list[Token], problems: SyntaxErrors):
        self.tokens = tokens
        self.problems = problems
        self.machine = made.parse_interactive()
        self.before_line = self.machine.copy(deepcopy_values=False)
        self.first = 0
        self.depth = 0
        self.weight = 0
        self.statement = ""

    def run(self) -> Tree[Token]:
        """Lark's tree of all lines that could be read, or an empty one if there were too many errors."""
        at = 0
        while at < len(self.tokens) and not self.problems.full:
            token = self.tokens[at]
            if at == self.first and not self.depth and token.type in STATEMENTS:
                self.statement = token.type
            self.weight += token.type in HEAVY and self.statement in ("METRIC", "FEATURE")
            if self.weight > HEAVIEST:
                hint = f"at most {HEAVIEST} operators and parentheses: name the parts as metrics or features of their own"
                self.problems.error("C015", "this expression is too long", span_of(self.tokens[self.first]), hint)
                at = self.skip(at)
                continue
            try:
                self.machine.feed_token(token)
            except UnexpectedToken:
                at = self.recover(at)
                continue
            at += 1
            if token.type in ("_END", "LBRACE", "RBRACE"):
                self.depth += {"LBRACE": 1, "RBRACE": -1}.get(token.type, 0)
                self.new_line(at)
        if "$END" in self.machine.accepts():
            whole: Tree[Token] = self.machine.feed_eof()
            return whole
        if not self.problems.found:
            end = len(self.problems.source.text)
            self.problems.error("C001", "the file ends within a statement", Span(end, end))
        return Tree("start", [])

    def new_line(self, at: int) -> None:
        self.before_line = self.machine.copy(deepcopy_values=False)
        self.first = at
        self.weight = 0

    def recover(self, at: int) -> int:
        """Reports the misfit at `at`; gives the number of the token to go on with."""
        here = self.replayed(at)

        def fits(*put: Token, take: int = 1) -> bool:
            return _takes(here, [*put, *self.tokens[at + take : at + take + 1]])

        place = ParserState(self.tokens, at, self.first, self.statement, frozenset(here.accepts()), fits)
        mend = explain(place)
        end = self.line_end(at)
        line = Span(self.tokens[self.first].start_pos or 0, self.tokens[end - 1].end_pos or 0)
        if not self.problems.spoiled(line):
            self.problems.error(mend.code, mend.message, mend.span, mend.hint)
        if mend.back:
            at -= mend.back
            here = self.replayed(at)
        if mend.put and _takes(here, mend.put):
            self.tokens[at : at + mend.back + mend.take] = mend.put
            self.machine = here
            return at
        return self.skip(at)

    def replayed(self, at: int) -> InteractiveParser:
        """The machine before the token at `at`: a misfit may have led it into reductions that it should not have made."""
        machine: InteractiveParser = self.before_line.copy(deepcopy_values=False)
        for token in self.tokens[self.first : at]:
            machine.feed_token(token)
        return machine

    def skip(self, at: int) -> int:
        """Leaves out the line that `at` is in: the parse goes on behind it, or at a statement that begins within it."""
        self.machine = self.before_line
        end = self.line_end(at)
        if "_END" in self.machine.choices():  # the line was what follows a `}`: its end goes with it, and is still owed
            self.machine.feed_token(Token("_END", ""))
        self.new_line(end)
        return end

    def line_end(self, at: int) -> int:
        """The number of the first token after the line (with the blocks in it), or of the `}` that ends the block around it."""
        depth = 0
        for place in range(self.first, len(self.tokens)):
            token = self.tokens[place]
            if place >= at and place > self.first and depth == 0:
                if token.type == "RBRACE":
                    return place
                if begins_statement(self.tokens, place) and (token.line or 0) > (self.tokens[place - 1].line or 0) and not self.depth:
                    return place
            depth += {"LBRACE": 1, "RBRACE": -1}.get(token.type, 0)
            if place >= at and depth <= 0 and token.type == "_END":
                return place + 1
        return len(self.tokens)


def _takes(machine: InteractiveParser, tokens: Sequence[Token]) -> bool:
    """Whether the machine would take these tokens. The probe builds no tree: the two share their lists, and rules add to them."""
    probe = machine.copy(deepcopy_values=False)
    probe.parser_state.parse_conf = copy(probe.parser_state.parse_conf)
    probe.parser_state.parse_conf.callbacks = {}
    try:
        for token in tokens:
            probe.feed_token(token)
    except UnexpectedToken:
        return False
    return True


__all__ = ["parse", "read_source"]
