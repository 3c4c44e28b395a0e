"""Settings: defaults, the file's, the command line's."""

import pytest

from circuitdsl.borders.hypothesis import Ablation
from circuitdsl.borders.source import CircError

HEAD = """model "smollm2-135m"
vocab names = "Mary", "John", "Alice", "Kevin", "Laura", "Peter"
prompts clean {
  "Then {IO} and {S1} went"
  IO, S1 in names distinct
  answer IO wrong S1
}
prompts other from clean { redraw IO, S1 distinct }
metric m = logit(answer) - logit(wrong) @ END
nodes { it = heads 9.6 }
edges { embed -> it -> logits }
"""


def test_defaults(check):
    found = check(HEAD).settings
    assert (found.seed, found.ablate, found.confidence, found.explore, found.bos, found.align) == (0, None, 0.95, 0.0, None, "layout")
    assert found.origins["seed"] == "default" and found.origins["prompts"] == "flag"


def test_the_file_sets_them(check):
    text = "prompts = 6; seed = 3; ablate = mean(other); confidence = 0.9; explore = 0.5; subset = 2; bos = false"
    text += "; align = absolute; norm = frozen; answers = exact; unequal = leave_out"
    found = check(f"{HEAD}settings {{ {text} }}\n", prompts=None).settings
    assert (found.prompts, found.seed, found.ablate, found.confidence) == (6, 3, Ablation("mean", "other"), 0.9)
    assert (found.explore, found.subset, found.bos, found.align, found.extra) == (
        0.5,
        2,
        False,
        "absolute",
        {"norm": "frozen", "answers": "exact", "unequal": "leave_out"},
    )
    assert {name for name, origin in found.origins.items() if origin != "file"} == {"found_on"}


def test_flags_win(check):
    found = check(HEAD + "settings { prompts = 6; seed = 3 }\n", prompts=5, seed=4, model="gpt2")
    assert (found.settings.prompts, found.settings.seed) == (5, 4)
    assert (found.settings.origins["prompts"], found.settings.origins["seed"], found.settings.origins["align"]) == (
        "flag",
        "flag",
        "default",
    )
    assert len(found.distributions["clean"].prompts) == 5
    assert found.model.name == "gpt2"


def test_an_ablation_may_come_from_a_flag(check):
    assert check(HEAD, ablate="resample(other)").settings.ablate == Ablation("resample", "other")
    assert check(HEAD + "settings { ablate = mean(nowhere) }\n", ablate="zero").settings.ablate == Ablation("zero")


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"prompts": 0}, "C302"),
        ({"seed": -1}, "C302"),
        ({"temperature": 1}, "C301"),
        ({"ablate": "half"}, "C302"),
        ({"ablate": "mean(x)"}, "C111"),
    ],
)
def test_bad_flags(flags, code, check):
    with pytest.raises(CircError) as error:
        check(HEAD, **flags)
    assert code in [one.code for one in error.value.diagnostics]


def test_the_setting_is_the_default_of_a_claim_s_norm(check):
    claims = "claims { a: effect(it -> logits, from = other) >= 0; b: effect(it -> logits, from = other, norm = live) >= 0 }\n"
    found = check(HEAD + "settings { norm = frozen }\n" + claims).claims
    assert [claim.options.norm for claim in found] == ["frozen", "live"]


def test_exploring_starts_with_measurements(check):
    judged, measured = "claims { a: value(m) >= 0 }\n", "claims { a: value(m) >= 0; b: value(m) }\n"
    assert check(HEAD + judged).exploring == ()
    found = check(HEAD + measured)
    assert found.settings.explore == 0.5 and len(found.exploring) == 4


def test_an_unknown_prompts_in_the_ablation_is_said_once(faults):
    text = HEAD + "settings { ablate = mean(othr) }\nclaims { a: faithfulness(m) >= 0; b: faithfulness(m) >= 1 }\n"
    assert [one.code for one in faults(text)] == ["C111"]


def test_a_bad_ablation_is_said_once(faults):
    text = HEAD + "settings { ablate = half }\nclaims { a: faithfulness(m) >= 0 }\n"
    assert [one.code for one in faults(text)] == ["C303"]
