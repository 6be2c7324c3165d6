"""The one training loop for nets, and what it is made of."""

from .batches import Batches, InMemory, Stream
from .checkpoint import checkpointing
from .layer_statistics import watching_layers
from .loop import minimise, train, updates_of
from .player import Player
from .processes import join_processes, share
from .rate_finder import find_learning_rate
from .training import Training

__all__ = [
    "Batches",
    "InMemory",
    "Player",
    "Stream",
    "Training",
    "checkpointing",
    "find_learning_rate",
    "join_processes",
    "minimise",
    "share",
    "train",
    "updates_of",
    "watching_layers",
]
