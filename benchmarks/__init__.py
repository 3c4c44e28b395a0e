"""How much work hypotheses are, against one plain forward pass. `make bench`, or `python -m benchmarks.run`."""
