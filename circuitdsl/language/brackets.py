"""Missing and stray brackets: reported where they were opened, and put right where the text shows what was meant."""

from lark import Token

from circuitdsl.language.character_mistakes import made, span_of
from circuitdsl.language.lines import CLOSES, OPENS
from circuitdsl.language.syntax_errors import SyntaxErrors

BLOCKS = frozenset({"NODES", "EDGES", "SETTINGS", "CLAIMS"})
STATEMENTS = {
    **dict.fromkeys(("CIRCUIT", "CITE", "USE", "MODEL"), ("STRING", "LONG", "UNCLOSED")),
    **dict.fromkeys(("VOCAB", "PROMPTS", "FEATURE", "METRIC"), ("NAME",)),
    **dict.fromkeys(("NODES", "SETTINGS", "CLAIMS"), ("LBRACE",)),
    "EDGES": ("LBRACE", "ALL"),
}
"""How a statement begins: its keyword, and what comes next (an option may have the keyword's name, but then `=` comes next)."""

LINES = {"CLAIMS": ("COLON",), "NODES": ("EQUAL",), "SETTINGS": ("EQUAL",), "PROMPTS": ("EQUAL", "IN")}
"""How a line begins in a block: a name, and this."""

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "THROUGH": "RSQB", "LBRACE": "RBRACE"}
SIGN = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}


def begins_statement(tokens: list[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].type in STATEMENTS.get(tokens[at].type, ())


class Balancer:
    """Goes through the tokens, line ends included, with the stack of open brackets."""

    def __init__(self, tokens: list[Token], problems: SyntaxErrors):
        self.tokens = [token for token in tokens if token.type != "COMMENT"]
        self.problems = problems
        self.open: list[Token] = []
        self.out: list[Token] = []
        self.keyword = ""
        self.line_start = 0

    def run(self) -> list[Token]:
        for at, token in enumerate(self.tokens):
            fresh = at == 0 or self.tokens[at - 1].type == "LINE_END"
            if fresh:
                self.new_line(at)
            if not self.open and token.type in STATEMENTS and (fresh or not self.out or self.out[-1].type in ("_END", "RBRACE")):
                self.keyword = token.type
            if token.type in OPENS:
                self.open.append(token)
            elif token.type in CLOSES:
                if not self.close(token):
                    continue
            elif token.type == "LBRACE":
                self.close_round(token)
                self.open.append(token)
            elif token.type == "RBRACE":
                self.close_round(token)
                if not self.open:
                    self.problems.error("C007", "this `}` closes nothing", span_of(token), "remove it, or write the `{` that it closes")
                    continue
                self.open.pop()
            self.out.append(token)
            if token.type in BLOCKS and not self.open and self.keyword == token.type and self.braceless(at):
                self.open.append(made("LBRACE", "", token))
                self.out.append(self.open[-1])
        if self.tokens:
            self.close_all(self.tokens[-1])
        return self.out

    def braceless(self, at: int) -> bool:
        """Whether a block's keyword stands alone on its line and no brace begins the next."""
        after = [token for token in self.tokens[at + 1 : at + 40] if token.type != "LINE_END"]
        alone = at + 1 < len(self.tokens) and self.tokens[at + 1].type == "LINE_END"
        if not alone or (after and after[0].type == "LBRACE"):
            return False
        token = self.tokens[at]
        self.problems.error(
            "C006", f"the lines of `{token}` stand in braces", span_of(token), f"write `{token} {{`, and `}}` after the last line"
        )
        return True

    def new_line(self, at: int) -> None:
        """Where a line clearly begins something new, what was open or unfinished before it ends."""
        token = self.tokens[at]
        if begins_statement(self.tokens, at) or (token.type in BLOCKS and self.type_at(at + 1) == "LINE_END"):
            self.close_all(token)
        elif self.open and token.type == "NAME" and self.type_at(at + 1) in LINES.get(self.keyword, ()) and self.type_at(at + 2) != "INT":
            self.close_round(token)
        else:
            return
        if self.out and self.out[-1].type == "LINE_END":
            self.out[-1] = Token.new_borrow_pos("_END", "", self.out[-1])

    def type_at(self, at: int) -> str:
        return self.tokens[at].type if at < len(self.tokens) else ""

    def close(self, token: Token) -> bool:
        """Takes `)` or `]`; False if it closes nothing and is dropped."""
        if self.open and CLOSER[self.open[-1].type] == token.type:
            self.open.pop()
            return True
        if any(CLOSER[one.type] == token.type for one in self.open) and self.open[-1].type != "LBRACE":
            while CLOSER[self.open[-1].type] != token.type:
                self.insert(self.open.pop(), token)
            self.open.pop()
            return True
        self.problems.error(
            "C007", f"this `{token}` closes nothing", span_of(token), "remove it, or write the bracket that it closes", spoils=True
        )
        return False

    def close_round(self, token: Token) -> None:
        """Closes what is open down to the next brace, before `token`."""
        while self.open and self.open[-1].type != "LBRACE":
            self.insert(self.open.pop(), token)

    def close_all(self, token: Token) -> None:
        while self.open and not self.problems.full:
            self.insert(self.open.pop(), token)

    def insert(self, opening: Token, before: Token) -> None:
        """Puts in the closing bracket that `opening` lacks, before the line ends that precede `before`."""
        kind = CLOSER[opening.type]
        closing = Token(kind, "", before.start_pos, before.line, before.column, before.line, before.column, before.start_pos)
        at = len(self.out)
        while at and self.out[at - 1].type == "LINE_END":
            at -= 1
        self.out.insert(at, closing)
        line = span_of(opening, self.out[at - 1]) if at else span_of(opening)
        if opening == "" or (opening.type != "LBRACE" and self.problems.spoiled(line)):
            return
        spoils = kind != "RBRACE"
        code, what = ("C008", "bracket") if spoils else ("C006", "brace")
        hint = f"write the `{SIGN[kind]}` that ends it"
        self.problems.error(code, f"this {what} is never closed", span_of(opening), hint, spoils=spoils)
