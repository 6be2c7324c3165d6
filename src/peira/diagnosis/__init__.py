"""What went wrong, or may: coded findings with evidence and a remedy."""

from .finding import Evidence, Finding, diagnose

__all__ = ["Evidence", "Finding", "diagnose"]
