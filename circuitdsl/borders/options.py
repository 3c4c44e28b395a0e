"""Options of a measure: a frozen dataclass, whose fields say what each option takes. What a claim states becomes an object of it."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Literal, get_args

from typing_extensions import TypeVar

OptionKind = Literal["ablation", "distribution", "metric", "role", "node", "nodes", "word", "number", "slot", "feature"]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """What an option takes. `words` are the permitted ones of kind `word`; `required` without `default` makes absence an error.

    A required `ablation` falls back to `settings { ablate = … }`.
    """

    kind: OptionKind
    default: Any = None
    required: bool = False
    words: tuple[str, ...] = ()
    help: str = ""
    searches: bool = False
    """True if a claim that gives it chooses something on part of the prompts, as measures that search do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a measure that has none of its own. Names that Python keeps for itself end in `_`: `from_`.

    `on`, which prompts are measured, belongs to every claim (`Claim.measured`).
    """

    def named(self) -> Mapping[str, Any]:
        """The values by the names that the language has for them."""
        return {name: getattr(self, one.name) for name, one in _declared(type(self))}


OptionsType = TypeVar("OptionsType", bound=Options, default=Options, covariant=True)


def option(kind: OptionKind, default: Any = None, *, required: bool = False, help: str = "", searches: bool = False) -> Any:
    """A field of a measure's options. The words of kind `word` are those of its annotation, a `Literal`."""
    spec = OptionSpec(kind, default, required, (), help, searches)
    return field(default=MISSING if required and kind != "ablation" and default is None else default, metadata={"spec": spec})


def option_specs(options: type[Options]) -> Mapping[str, OptionSpec]:
    """What each option takes, by its name in the language, `on` last."""
    found: dict[str, OptionSpec] = {}
    for name, one in _declared(options):
        spec: OptionSpec = one.metadata["spec"]
        words = tuple(_words(one.type)) if spec.kind == "word" else ()
        found[name] = OptionSpec(spec.kind, spec.default, spec.required, words, spec.help, spec.searches)
    return found | {"on": OptionSpec("distribution", help="the prompts that are measured; default: the file's first")}


def made(options: type[OptionsType], values: Mapping[str, Any]) -> OptionsType:
    """The options with these values, by their names in the language. Raises KeyError for a name that is none."""
    fields_of = {name: one.name for name, one in _declared(options)}
    return options(**{fields_of[name]: value for name, value in values.items()})


def _declared(options: type[Options]) -> Iterator[tuple[str, Field[Any]]]:
    for one in fields(options):
        yield one.name.rstrip("_"), one


def _words(annotation: Any) -> Iterator[str]:
    """The texts of a `Literal`, or of one within a union."""
    for one in get_args(annotation):
        if isinstance(one, str):
            yield one
        else:
            yield from _words(one)
