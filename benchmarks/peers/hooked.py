"""What the scripts of the peers share. They run in environments of their own, where this package is not installed."""

import json
import sys
import time
from pathlib import Path
from statistics import median

import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2Config, GPT2LMHeadModel


def read():
    """The plain model, the same one for TransformerLens, and the task: tokens, answers, edges as [sender, receiver.port]."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(2)
    task = json.loads((folder / "task.json").read_text())
    plain = GPT2LMHeadModel(GPT2Config(**task["config"])).eval()
    plain.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    plain.tie_weights()
    config = HookedTransformerConfig(
        n_layers=plain.config.n_layer,
        d_model=plain.config.n_embd,
        n_ctx=plain.config.n_positions,
        d_head=plain.config.n_embd // plain.config.n_head,
        n_heads=plain.config.n_head,
        d_mlp=4 * plain.config.n_embd,
        d_vocab=plain.config.vocab_size,
        act_fn="gelu_new",
        normalization_type="LN",
        device="cpu",
    )
    hooked = HookedTransformer(config)
    hooked.load_state_dict(convert_gpt2_weights(plain, config), strict=False)
    hooked.eval().requires_grad_(False)
    hooked.set_use_attn_result(True)
    hooked.set_use_split_qkv_input(True)
    hooked.set_use_hook_mlp_in(True)
    return plain, hooked, task


def answer_difference(logits, task):
    """[B]: logit of the answer less that of the wrong one, from logits [B, V] at the last position."""
    rows = torch.arange(len(logits))
    return logits[rows, torch.tensor(task["answers"])] - logits[rows, torch.tensor(task["wrong"])]


def report(plain, task, run, repetitions=1):
    """Times `run` and a plain forward pass in turn, and prints numbers and ratio as JSON."""
    clean = torch.tensor(task["clean"])
    mine, theirs = [], []
    found = run()
    for _ in range(repetitions):
        for times, work in ((theirs, lambda: plain(clean)), (mine, run)):
            started = time.perf_counter()
            with torch.inference_mode():
                work()
            times.append(time.perf_counter() - started)
    print(json.dumps({"numbers": found.tolist(), "seconds": median(mine), "forward": median(theirs)}))
