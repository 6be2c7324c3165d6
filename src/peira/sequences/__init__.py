"""Sequences: Markov and hidden Markov models, state space, recurrent nets, reservoirs and associative memories."""

from ..core.registry import offer

__getattr__, __dir__ = offer(__name__)
