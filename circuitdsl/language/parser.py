"""From text to `Document`."""

from lark import Token
from lark.exceptions import UnexpectedToken

from circuitdsl.borders.document import Document
from circuitdsl.borders.source import CircError, Diagnostic, Source
from circuitdsl.language.grammar import parser
from circuitdsl.language.lines import join_lines
from circuitdsl.language.tree import Builder, span_of


def parse(source: Source) -> Document:
    """The syntax tree of a file. Raises CircError with every syntax error in it, sorted by place."""
    found: list[Diagnostic] = []
    tokens = list(parser().lex(source.text))
    machine = parser().parse_interactive()
    try:
        for token in join_lines(tokens):
            machine.feed_token(token)
        tree = machine.feed_eof()
    except UnexpectedToken as error:
        raise CircError([Diagnostic("C001", f"`{error.token}` is not expected here", span_of(error.token), source=source)]) from None
    comments = tuple((token.start_pos or 0, str(token)) for token in tokens if token.type == "COMMENT")
    document = Builder(source, found.append).transform(tree)
    if found:
        raise CircError(sorted(found, key=lambda one: (one.span, one.code)))
    return Document(document.statements, comments, source, span=document.span)


__all__ = ["Token", "parse"]
