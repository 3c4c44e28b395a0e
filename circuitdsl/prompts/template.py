"""Templates: text with slots in braces."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_HOLE = re.compile(r"\s*([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?\s*")


@dataclass(frozen=True, slots=True)
class Hole:
    """A slot in a template. `occurrence` counts the places of this slot in the template from 1."""

    slot: str
    field: str | None
    occurrence: int

    @property
    def label(self) -> str:
        """As positions write it: `S1`, `fact.country`."""
        return f"{self.slot}.{self.field}" if self.field else self.slot


@dataclass(frozen=True, slots=True)
class Template:
    text: str
    pieces: tuple[str | Hole, ...]

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Hole))


def parse_template(text: str, problem: Callable[[str, str], object]) -> Template:
    """Pieces of a template, literals joined. Calls `problem(message, hint)` for each brace that cannot be understood."""
    pieces: list[str | Hole] = []
    seen: dict[str, int] = {}
    for found in _PIECE.finditer(text):
        piece = found.group()
        if found.group(1) is not None:
            hole = _HOLE.fullmatch(found.group(1))
            if hole is None:
                hint = (
                    "occurrences are counted by themselves: write the slot's name alone"
                    if ":" in piece
                    else "a literal brace is `{{` or `}}`"
                )
                problem(f"`{piece}` is not a slot: a slot is a name, or a name and a field", hint)
                continue
            label = hole.group(1) + (f".{hole.group(2)}" if hole.group(2) else "")
            seen[label] = seen.get(label, 0) + 1
            pieces.append(Hole(hole.group(1), hole.group(2), seen[label]))
            continue
        if piece in "{}":
            problem(f"a `{piece}` without its partner", f"a literal brace is `{piece * 2}`")
            continue
        literal = piece[0] if piece in ("{{", "}}") else piece
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] += literal
        else:
            pieces.append(literal)
    return Template(text, tuple(pieces))
