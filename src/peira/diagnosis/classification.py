"""Checks of a classification."""

from .finding import Check

CHECKS: tuple[Check, ...] = ()
