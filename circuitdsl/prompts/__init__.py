"""Vocabularies, templates and data files to tokenised prompts; metrics and features bound to their rows. No weights, no torch."""

from circuitdsl.prompts.build import build
from circuitdsl.prompts.codes import CODES
from circuitdsl.prompts.space import PromptSpace

__all__ = ["CODES", "PromptSpace", "build"]
