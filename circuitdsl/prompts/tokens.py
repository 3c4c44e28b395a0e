"""From values in a template to token ids, with the token span of every slot."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from circuitdsl.borders.prompts import Encoding, Tokenizer
from circuitdsl.borders.units import Layout
from circuitdsl.prompts.template import Hole

SlotPlace = tuple[str, int]
"""A slot's label and which of its occurrences."""
Range = tuple[int, int]
SlotContent = str | tuple[int, ...]
"""What stands in a place: text, or the token ids of a block."""
TemplatePieces = Sequence[tuple[str | Hole, SlotContent]]
"""A template's pieces with what stands in them."""

_SPACE = re.compile(r"\s+")


class Placed(NamedTuple):
    """A prompt with its tokens. `chars` are ranges of slots that are text, in `runs` where there are blocks between, else in `text`.

    `shared` are places whose first or last token also holds a neighbour's characters; `special` tokens come first (BOS).
    `tail` is the text after the last block, `ids[-tail_tokens:]` its tokens.
    """

    text: str
    ids: tuple[int, ...]
    layout: Layout
    chars: Mapping[SlotPlace, Range]
    shared: frozenset[SlotPlace]
    special: int
    tail: str
    tail_tokens: int
    runs: Mapping[SlotPlace, str] = {}

    def starts(self, place: SlotPlace) -> bool:
        """Whether the place is the very beginning of the text."""
        return dict(self.layout.spans)[place][0] == self.special


@dataclass(frozen=True)
class Tokens:
    """The model's tokenizer under the file's BOS setting, with what it said kept."""

    tokenizer: Tokenizer
    bos: bool | None = None
    checked: bool = True
    exact: bool = False
    """Whether no space is put before what follows a prompt in templates, as in data files."""
    _runs: dict[str, Encoding] = field(default_factory=dict, repr=False)
    _values: dict[tuple[str, str, str], tuple[int, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def plain(self) -> tuple[int, ...]:
        """Ids that random blocks are made of."""
        return self.tokenizer.plain_ids()

    def run(self, text: str) -> Encoding:
        """Tokens of a piece of text by itself, without BOS. Kept: pieces are few, and asked for again and again."""
        found = self._runs.get(text)
        if found is None:
            found = self._runs[text] = self.tokenizer.encode(text, False)
        return found

    def whole(self, text: str) -> Encoding:
        """Tokens of a whole prompt, with BOS as the model's own tokenizer or the setting has it."""
        return self.tokenizer.encode(text, self.bos)

    # ------------------------------------------------------------ placing

    def place(self, number: int, pieces: TemplatePieces) -> Placed:
        """Tokens and slot spans of one prompt of template `number`. Blocks are put in as ids, so that no text can change them."""
        if any(not isinstance(content, str) for _, content in pieces):
            return self._with_blocks(number, pieces)
        chars: dict[SlotPlace, Range] = {}
        text = ""
        for piece, content in pieces:
            assert isinstance(content, str)
            if isinstance(piece, Hole):
                chars[piece.label, piece.occurrence] = (len(text), len(text) + len(content))
            text += content
        encoding = self.whole(text)
        special = _special(encoding)
        spans = {place: span_of(encoding, found) for place, found in chars.items()}
        shared = (place for place, found in chars.items() if self.checked and shares(encoding, text, found, spans[place]))
        layout = Layout(number, len(encoding.ids), tuple(spans.items()))
        return Placed(text, encoding.ids, layout, chars, frozenset(shared), special, text, len(encoding.ids) - special)

    def _with_blocks(self, number: int, pieces: TemplatePieces) -> Placed:
        ids = list(self.whole("").ids)
        special = len(ids)
        spans: dict[SlotPlace, Range] = {}
        shared: set[SlotPlace] = set()
        run, holes = "", dict[SlotPlace, Range]()
        chars: dict[SlotPlace, Range] = {}
        runs: dict[SlotPlace, str] = {}

        def close() -> int:
            encoding = self.run(run)
            for place, found in holes.items():
                start, end = span = span_of(encoding, found)
                spans[place] = (start + len(ids), end + len(ids))
                chars[place], runs[place] = found, run
                if self.checked and shares(encoding, run, found, span):
                    shared.add(place)
            ids.extend(encoding.ids)
            return len(encoding.ids)

        for piece, content in pieces:
            if isinstance(content, str):
                if isinstance(piece, Hole):
                    holes[piece.label, piece.occurrence] = (len(run), len(run) + len(content))
                run += content
                continue
            close()
            run, holes = "", {}
            assert isinstance(piece, Hole)
            spans[piece.label, piece.occurrence] = (len(ids), len(ids) + len(content))
            ids.extend(content)
        tail_tokens = close()
        text = self.tokenizer.decode(ids[special:])
        layout = Layout(number, len(ids), tuple(spans.items()))
        return Placed(text, tuple(ids), layout, chars, frozenset(shared), special, run, tail_tokens, runs)

    # ------------------------------------------------------------ tokens of other values

    def context(self, placed: Placed, place: SlotPlace) -> tuple[str, str]:
        """The text on both sides of a place that its tokens depend on: as far as the spaces around, if that gives the prompt's own
        tokens, else all of it."""
        text, (start, end) = placed.runs.get(place, placed.text), placed.chars[place]
        low = _word_start(text, start)
        space = _SPACE.search(text, end)
        high = space.start() if space else len(text)
        left, right = text[low:start], text[end:high]
        first, last = dict(placed.layout.spans)[place]
        if self._ids(left, text[start:end], right) == placed.ids[first:last]:
            return left, right
        return text[:start], text[end:]

    def in_place(self, context: tuple[str, str], value: str) -> tuple[int, ...] | None:
        """Tokens that a value has in such a context; None if one of them also holds characters of the context."""
        left, right = context
        found = (len(left), len(left) + len(value))
        text = left + value + right
        encoding = self.run(text)
        span = span_of(encoding, found)
        return None if self.checked and shares(encoding, text, found, span) else encoding.ids[slice(*span)]

    def ending(self, placed: Placed) -> str:
        """The end of a prompt's text that the tokens after it depend on: the last word, if that gives the prompt's own tokens."""
        word = placed.tail[_word_start(placed.tail, len(placed.tail)) :]
        own = self.run(word).ids
        return word if own and own == placed.ids[-len(own) :] else placed.tail

    def appended(self, ending: str, value: str) -> tuple[int, ...] | None:
        """Tokens that come after such an ending if a value is appended; None if that changes the ending's own tokens."""
        own, both = self.run(ending).ids, self.run(ending + value).ids
        return both[len(own) :] if both[: len(own)] == own and len(both) > len(own) else None

    def _ids(self, left: str, value: str, right: str) -> tuple[int, ...]:
        found = self._values.get((left, value, right))
        if found is None:
            encoding = self.run(left + value + right)
            found = encoding.ids[slice(*span_of(encoding, (len(left), len(left) + len(value))))]
            self._values[left, value, right] = found
        return found


def joint(ending: str, value: str) -> str:
    """The space that a model's own text would have between a prompt's ending and what follows it: one, or none.

    None after a space or an opening bracket or quote, between digits, before a closing mark, and in scripts without spaces.
    """
    if not ending or not value or ending[-1].isspace() or value[0].isspace():
        return ""
    before, after = ending[-1], value[0]
    opening = before in "([{<‘“«¿¡/-_#$€£" or (before in "\"'" and not ending[-2:-1].strip(" ([{"))
    closing = after in ".,;:!?)]}>%’”»" or value.startswith(("'s", "n't"))
    unspaced = any(0x2E80 <= ord(char) <= 0x9FFF or 0x0E00 <= ord(char) <= 0x0EFF for char in (before, after))
    return "" if opening or closing or unspaced or (before.isdigit() and after.isdigit()) else " "


def span_of(encoding: Encoding, chars: Range) -> Range:
    """Tokens that hold any of these characters, as a half-open range; a token with the space before a word is the word's."""
    low, high = chars
    inside = [i for i, (start, end) in enumerate(encoding.offsets) if start < high and end > low and start < end]
    if inside:
        return inside[0], inside[-1] + 1
    after = next((i for i, (start, end) in enumerate(encoding.offsets) if start >= high and start < end), len(encoding.ids))
    return after, after


def shares(encoding: Encoding, text: str, chars: Range, span: Range) -> bool:
    """Whether a token of these characters also holds others than space before them, or they have no token."""
    low, high = span
    if low == high:
        return True
    start, end = encoding.offsets[low][0], max(encoding.offsets[index][1] for index in range(low, high))
    return bool(text[start : chars[0]].strip()) or bool(text[chars[1] : end].strip())


def _special(encoding: Encoding) -> int:
    """How many special tokens stand before the text."""
    for index, (start, end) in enumerate(encoding.offsets):
        if start < end:
            return index
    return len(encoding.ids)


def _word_start(text: str, end: int) -> int:
    """Where the word before `end` begins, its space included."""
    before = text[:end]
    word = before.rsplit(None, 1)[-1] if before and not before[-1].isspace() else ""
    return len(before[: len(before) - len(word)].rstrip())


_WORD = re.compile(r"\s*(\w+|[^\w\s]+|$)")


@dataclass(slots=True)
class WordTokenizer:
    """Stands in where no tokenizer is at hand: a word is a token, so that names, layouts and metrics can be checked at all."""

    vocabulary: int = 50_000
    bos_id: int | None = None
    adds_bos: bool = False
    _words: dict[int, str] = field(default_factory=dict, repr=False)

    def encode(self, text: str, bos: bool | None = None) -> Encoding:
        found = [match for match in _WORD.finditer(text) if match.group()]
        ids = [zlib.crc32(match.group(1).encode()) % self.vocabulary for match in found]
        self._words.update(zip(ids, (match.group() for match in found), strict=True))
        return Encoding(tuple(ids), tuple(match.span() for match in found))

    def decode(self, ids: "tuple[int, ...] | list[int]") -> str:
        return "".join(self._words.get(number, f"<{number}>") for number in ids)

    def piece(self, token: int) -> str:
        return self.decode([token])

    def plain_ids(self) -> tuple[int, ...]:
        return tuple(range(self.vocabulary))
