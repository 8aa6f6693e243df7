"""Conditions: a safe subset of Python expressions, parsed by own code, never eval'ed."""
