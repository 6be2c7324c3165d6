"""Choosing hyper-parameters: spaces read off a method's parameters, and searches through them."""

from .search import trials

__all__ = ["trials"]
