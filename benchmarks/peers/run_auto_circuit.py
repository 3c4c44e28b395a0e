"""auto-circuit 1.0.1, `run_circuits`: every edge that is not in the circuit is resampled."""

import torch
from auto_circuit.data import PromptDataLoader, PromptDataset
from auto_circuit.prune import run_circuits
from auto_circuit.types import AblationType, PatchType
from auto_circuit.utils.graph_utils import patchable_model
from hooked import answer_difference, read, report


def edge_name(sender, receiver):
    names = {"embed": "Resid Start", "logits": "Resid End"}
    receiver, _, port = receiver.partition(".") if receiver.startswith("mlp") else _split(receiver)
    sender = names.get(sender) or sender.replace("head ", "A").replace("mlp", "MLP")
    receiver = names.get(receiver) or receiver.replace("head ", "A").replace("mlp", "MLP")
    return f"{sender}->{receiver}" + (f".{port.upper()}" if port else "")


def _split(receiver):
    head, dot, port = receiver.rpartition(".")
    return (head, dot, port) if port in ("q", "k", "v") else (receiver, "", "")


plain, hooked, task = read()
model = patchable_model(hooked, factorized=True, slice_output="last_seq", separate_qkv=True, device=torch.device("cpu"))
wanted = {edge_name(*edge) for edge in task["edges"]}
scores = (
    model.new_prune_scores()
    if hasattr(model, "new_prune_scores")
    else {name: torch.zeros_like(mask) for name, mask in model.patch_masks.items()}
)
found = [edge for edge in model.edges if edge.name in wanted]
assert len(found) == len(wanted), (len(found), len(wanted))
for edge in found:
    scores[edge.dest.module_name][edge.patch_idx] = 1.0
columns = [torch.tensor(task[name]) for name in ("clean", "abc")]
answers = [[torch.tensor([token]) for token in task[name]] for name in ("answers", "wrong")]
loader = PromptDataLoader(PromptDataset(*columns, *answers), seq_len=None, diverge_idx=0, batch_size=len(columns[0]), shuffle=False)


def run():
    outputs = run_circuits(model, loader, [len(wanted)], scores, PatchType.TREE_PATCH, AblationType.RESAMPLE)
    (batches,) = outputs.values()
    (logits,) = batches.values()
    return answer_difference(logits.flatten(1) if logits.ndim == 3 else logits, task)


report(plain, task, run)
