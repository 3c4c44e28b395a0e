"""The flow, which alone joins the stages: a function a stage, between the types of `circuitdsl.borders`.

    read → resolve → lower → plan → measure → judge → record

`reading` takes a file to a checked hypothesis, `lowering` its claims to values, `measuring` values to numbers, `judging` numbers to
verdicts; `verifying` is all of it in order, `early_stopping` the same in blocks of prompts, `drawing` what figures are drawn of.
What needs torch is imported where it runs, so that checking a file stays fast.
"""

from circuitdsl.pipeline.judging import judge
from circuitdsl.pipeline.lowering import lower, lower_figure
from circuitdsl.pipeline.measuring import machine, measure, plan, settle
from circuitdsl.pipeline.reading import fetch, read, resolve

__all__ = ["fetch", "judge", "lower", "lower_figure", "machine", "measure", "plan", "read", "resolve", "settle"]
