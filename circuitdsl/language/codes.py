"""What `explain` says about syntax errors and about files that cannot be read."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C001": Code(
        "Something else is expected here",
        """A statement does not go on like this. The message names what may stand at the marked place, and the hint shows the whole
form of the statement. The rest of the line was not read, so an error in it shows only after this one is mended.

A statement ends with its line or at `;`. It goes on in the next line inside ( ) and [ ], after a comma, an operator or an arrow, and
before an arrow.""",
    ),
    "C002": Code(
        "A sign that the language does not have",
        """Outside quoted texts and comments a file consists of ASCII letters, digits and the signs of the language. Text pasted from papers
and chats often holds typographic signs (`→`, `≥`, `±`, `−`, curly quotes, spaces that are none): write `->`, `>=`, `+-`, `-`, `"` and
plain spaces. Signs of other languages (`=>`, `&&`, `//`, single quotes) are reported here too.

Comments begin with `#` and reach to the end of the line. Quoted texts may hold any character.""",
    ),
    "C003": Code(
        "A text that never ends",
        """A quoted text ends with `"` on the line it began on; a text of several lines stands between `\"""` and `\"""`. A quote inside a
text is written `\\"`.""",
    ),
    "C004": Code(
        "Two texts on one statement",
        """Two quoted texts follow each other with nothing between them. In a list a comma stands between them; two templates stand on two
lines. Texts are never joined silently, because a forgotten comma in a vocabulary would then make one value of two.""",
    ),
    "C005": Code(
        "Not a statement",
        """Every statement begins with its keyword: `circuit`, `cite`, `use`, `model`, `vocab`, `prompts`, `feature`, `metric`, `nodes`,
`edges`, `settings` or `claims`. Nodes, edges, settings and claims stand inside the braces of theirs.""",
    ),
    "C006": Code(
        "A brace is missing",
        """The lines of a block stand between `{` and `}`. The marked `{` was still open where the next statement began or where the file
ended, or a block's keyword has no `{` at all.""",
    ),
    "C007": Code(
        "A closing bracket without an opening one",
        """A `}`, `)` or `]` stands where nothing of its kind is open. Often the opening one was deleted, or a block was closed twice.""",
    ),
    "C008": Code(
        "A bracket that is never closed",
        """A `(` or `[` has no counterpart. Lines do not end inside brackets, so what follows would be read as part of this statement; it is
taken to end where the next line clearly begins something new.""",
    ),
    "C009": Code(
        "A number in another form",
        """Numbers are written with digits on both sides of the point: `0.5`, not `.5` or `5.`. Shares are fractions, not percentages:
`0.8`, not `80%`. Very long numbers are refused.""",
    ),
    "C010": Code(
        "= and ==",
        """One `=` gives a value (`seed = 0`) or states a claim's equivalence (`= 1 +- 0.2`). Two, `==`, ask whether two values are the
same, in features and in the conditions of folds: `feature same = IO == S1`.""",
    ),
    "C011": Code(
        "How units are written",
        """`heads 9.6, 9.9, 10.*`, `heads *`, `mlps 0..3`, `neurons 5.123`: the kind first, which holds until the next kind, then the layer
and, for heads and neurons, the number in it. Layers and heads count from 0, and `9.10` is head ten, not 9.1. Other tools write `L9H6`
or `a9.h6` for `heads 9.6`.""",
    ),
    "C012": Code(
        "Ports",
        """A head reads the residual stream through three ports: `.q`, `.k` and `.v`, in small letters. `A -> B.q` is the edge into the
queries of B alone, `A -> B` the edge into all of its ports. MLPs and logits have a single port, which is never written.""",
    ),
    "C013": Code(
        "= without a margin",
        """No measured number equals another exactly. A claim of equality says how near is near enough: `= 1 +- 0.2` is supported when the
interval lies within 0.8 and 1.2. For a bound on one side write `>=` or `<=`.""",
    ),
    "C014": Code(
        "An escape that means nothing",
        r"""In quoted texts a backslash begins an escape, as in Python: `\n`, `\t`, `\"`, `\\`, `\x41`, `\u00e9`. A backslash itself is
written `\\`.""",
    ),
    "C015": Code(
        "An expression that is too long",
        """A metric or feature has at most 100 operators and parentheses. Give its parts names, as metrics or features of their own.""",
    ),
    "C016": Code(
        "Said twice",
        """A node has one `@`, one `carries`, and each of its other words once; a claim has one `each`. Several positions are written
`@ (S1, S2)`.""",
    ),
    "C017": Code(
        "What a function takes",
        """`logit`, `logprob` and `prob` take one slot or one quoted text, `loss` the tokens of a slot (`loss(block:2[1..24])`), `bin` a
slot and the numbers to cut at. Sums and differences stand outside: `logit(answer) - logit(wrong)`. Tokens of a slot are no value by
themselves.""",
    ),
    "C018": Code(
        "An entry of the wrong width",
        """Every entry of a vocabulary has one value for each of its fields: `vocab facts(country, capital) = ("France", "Paris"), …`. One
without fields has single texts.""",
    ),
    "C019": Code(
        "Arguments out of order",
        """A claim's arguments come in one order: paths, nodes and metrics, then `each unit`, `each node` or `each edge`, then named
options: `minimality(logit_diff, each unit, ablate = mean(abc))`.""",
    ),
    "C020": Code(
        "A word of the language as a name",
        """The words of the language are reserved everywhere, so that a file reads the same in every place: they cannot name nodes, slots,
vocabularies, prompts, metrics, features or claims. Capitals count: `Model` is free.""",
    ),
    "C021": Code(
        "A misspelt word",
        """The marked word is not one of those that may stand here, but is close to one that may. Words of the language are in small
letters, and kinds of units in the plural: `heads 9.6`, also for one head.""",
    ),
    "C022": Code(
        "Commas",
        """Lists take commas between their members and none after the last: a line that ends with a comma goes on in the next. Lines of a
block, settings too, are separated by line ends or `;`.""",
    ),
    "C023": Code(
        "An edge that is a route",
        """The edges of the circuit are direct: `A -> B.q` goes through the residual stream and nothing else. `~>` (every route) and
`-[G]->` (every route inside a group) are for the paths that claims ask about.""",
    ),
    "C024": Code(
        "Too many errors", """After a hundred errors the rest of the file is not reported. It may not be a `.circ` file at all."""
    ),
    "C030": Code("No such file", """The file does not exist. Names are relative to the folder that the command was started in."""),
    "C031": Code("Not a file", """A folder, or something else that is not a plain file, was given in place of a `.circ` file."""),
    "C032": Code("A file that cannot be read", """The system refused to open the file. The message says why: often its permissions."""),
    "C033": Code("Not UTF-8", """Files are read as UTF-8, with or without a byte order mark. Save the file in that encoding."""),
    "C034": Code(
        "A file that is too large",
        """A `.circ` file has at most a million bytes. Vocabularies and prompts may stand in files of their own:
`vocab names from "names.txt"`, `prompts clean from "pairs.jsonl"`.""",
    ),
    "C035": Code(
        "Not a text file", """The file holds zero bytes, as programs, pictures and archives do. A `.circ` file is plain UTF-8 text."""
    ),
    "C036": Code(
        "JSON instead of a circuit",
        """`check`, `plan`, `verify` and `fmt` read `.circ` files. The `.evidence.json` that verify writes is what was measured: `render`
draws it.""",
    ),
}
