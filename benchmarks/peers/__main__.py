"""The peers alone; leaves with 1 if a number differs. `--prompts`: with 64 one of them takes 11 GB."""

import argparse

import torch

from benchmarks.peers import compare
from benchmarks.setting import circuit_a, circuit_b, hypothesis, model

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--prompts", type=int, default=16)
parser.add_argument("--circuits", nargs="+", choices=["A", "B"], default=["A", "B"])
given = parser.parse_args()
torch.set_num_threads(2)
adapter = model()
agreed = True
for name in given.circuits:
    links = {"A": circuit_a, "B": circuit_b}[name](adapter.shape)
    for one in compare(name, adapter, hypothesis(adapter.shape, links, given.prompts), links):
        print(one, flush=True)
        agreed = agreed and one.agrees is not False
raise SystemExit(not agreed)
