"""The frozen types that pass between the stages.

Each stage of the program is a function from one of these types to the next::

    Source ─parse→ Document ─resolve→ Hypothesis ─lower→ Values ─plan→ Plan ─execute→ Evidence ─judge→ Verdicts

Stages import these types and never each other; nothing here imports torch, a stage, or a model.
"""
