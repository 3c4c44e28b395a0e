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


def test_the_tokens_that_metrics_read(make, ioi, tokenizer) -> None:
    """With their positions: answers, texts, blocks, and the first items of a fold with their number."""
    text = (
        ioi
        + """
metric diff = logit(answer) - (logit(wrong) - 2)
metric spelled = -logprob(" {IO}") * 2 @ S2
metric wide = sum(prob(n) for n in names if n != IO) @ END
metric most = max(logit(w) - logit(answer) for w in wrong)
metric seen = loss(S2), lower
metric far = kl, lower
prompts lines { "{block}{block}"; block in random tokens 6 }
metric copied = loss(block:2[1..5]), lower
"""
    )
    space = make(text, count=3)
    lines = [line.strip() for line in show_prompts(space, tokenizer, most=1).splitlines()]
    prompt = space.distributions["clean"].prompts[0]
    end, place = prompt.layout.length - 1, prompt.layout.span("S2")[0]
    io, s1 = prompt.values["IO"], prompt.values["S1"]
    others = [name for name in ("Mary", "John", "Alice", "Kevin", "Laura", "Peter") if name != io][:4]
    assert f"diff = logit(« {io}» @ {end}) - (logit(« {s1}» @ {end}) - 2)" in lines
    assert f"spelled = -logprob(« {io}» @ {place}) * 2" in lines
    assert f"wide = sum(prob({', '.join(f'« {name}»' for name in others)}, … 5 in all @ {end}))" in lines
    assert f"most = max(logit(« {s1}» @ {end}) - logit(« {io}» @ {end}))" in lines
    assert f"seen = loss(« {s1}» @ {place})" in lines and f"far = kl(all tokens @ {end})" in lines
    (copied,) = [line for line in lines if line.startswith("copied")]
    assert copied.endswith("… 5 in all @ 7..11)")
    assert sum(line.startswith("diff") for line in lines) == 1  # `lines` has no answer
