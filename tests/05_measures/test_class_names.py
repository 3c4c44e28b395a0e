"""The classes of a feature in words."""

from types import SimpleNamespace

from circuitdsl.measures.scrub import _names


def test_a_class_of_a_slot_with_fields_has_their_texts_and_a_derived_one_its_number():
    rows = [("Paris", "France"), ("Rome", "Italy")]
    prompts = [SimpleNamespace(values={"fact.capital": city, "fact.country": land, "factor": "no", "cue": "so"}) for city, land in rows]
    hypothesis = SimpleNamespace(
        distributions={"clean": SimpleNamespace(prompts=prompts)},
        features={name: {"clean": (20, 7)} for name in ("fact", "fact.country", "cue", "long")},
    )
    assert _names(hypothesis, "fact", "clean") == ("Paris, France", "Rome, Italy")
    assert _names(hypothesis, "fact.country", "clean") == ("France", "Italy")
    assert _names(hypothesis, "cue", "clean") == ("so", "so")
    assert _names(hypothesis, "long", "clean") == ("class 20", "class 7")
