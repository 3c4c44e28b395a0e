"""circuitkit 0.2.0, `evaluate_graph`. Its prompts are texts; ours are tokens, so its tokenisation is stepped over."""

import torch
from circuitkit.backends.eap import evaluate
from circuitkit.backends.eap.graph import Graph
from hooked import answer_difference, read, report


def name(unit):
    kind, _, number = unit.partition(" ")
    if kind in ("embed", "logits"):
        return {"embed": "input"}.get(kind, kind)
    return f"m{number}" if kind == "mlp" else "a{}.h{}".format(*number.split("."))


def edge_name(sender, receiver):
    head, _, port = receiver.rpartition(".")
    if port in ("q", "k", "v"):
        return f"{name(sender)}->{name(head)}<{port}>"
    return f"{name(sender)}->{name(receiver)}"


def tokens_as_they_are(model, clean, corrupted, **options):
    clean, corrupted = torch.stack(clean), torch.stack(corrupted)
    ones, length = torch.ones_like(clean), clean.shape[1]
    return clean, corrupted, ones, ones, torch.full((len(clean),), length), length


evaluate.tokenize_batch_pair = tokens_as_they_are
plain, hooked, task = read()
graph = Graph.from_model(hooked)
for edge in task["edges"]:
    found = graph.edges[edge_name(*edge)]
    found.in_graph = True
    for node in (found.parent, found.child):
        if node.name != "logits":
            node.in_graph = True
loader = [(list(torch.tensor(task["clean"])), list(torch.tensor(task["abc"])), None)]


def run():
    def metric(logits, clean_logits, lengths, labels):
        return answer_difference(logits[:, -1], task)

    return evaluate.evaluate_graph(hooked, graph, loader, metric, quiet=True)


report(plain, task, run)
