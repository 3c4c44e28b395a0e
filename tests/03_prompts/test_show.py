"""Prompts as text."""

from circuitdsl.prompts.show import show_prompts


def test_tokens_with_positions_roles_and_targets(make, ioi, tokenizers) -> None:
    space = make(ioi + "prompts abc from clean { redraw IO, S1, S2 distinct }", use="bos", count=4)
    shown = show_prompts(space, tokenizers["bos"])
    prompt = space.distributions["clean"].prompts[0]
    assert shown.startswith("clean: 4 prompts, 2 layouts\n")
    assert "abc: 4 prompts, counterfactuals of clean, 2 layouts" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["0", "«<s>»", str(tokenizers["bos"].bos_id), "BOS"] in lines
    assert [str(prompt.layout.length - 1), "«", "to»", str(prompt.tokens[-1]), "END"] in lines
    place = prompt.layout.span("S2")[0]
    assert [str(place), "«", f"{prompt.values['S2']}»", str(prompt.tokens[place]), "S2"] in lines
    assert ["→", "«", f"{prompt.values['IO']}»", str(prompt.answer), "answer"] in lines
    assert ["→", "«", f"{prompt.values['S1']}»", str(prompt.wrong[0]), "wrong"] in lines
    assert not any(line.endswith(" ") for line in shown.splitlines())


def test_blocks_line_ends_and_many_layouts(make, tokenizer) -> None:
    space = make('prompts clean { "{block}\\n{block}"; block in random tokens 2 }', count=1)
    shown = show_prompts(space, tokenizer)
    assert "block:1[0]" in shown and "block:2[1], END" in shown and "«\\n»" in shown
    listed = ", ".join(f'"{"x" * size}q"' for size in range(1, 20))
    many = show_prompts(make(f'vocab v = {listed}\nprompts clean {{ "a {{A}} to"; A in v }}'), tokenizer, most=2)
    assert "more layouts" in many and many.count("position") == 2


def test_without_a_tokenizer(make, ioi) -> None:
    assert "tokens not checked" in show_prompts(make(ioi, use=None), None)
