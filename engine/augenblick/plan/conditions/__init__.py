"""Conditions: a safe subset of Python expressions, tokenized and parsed by own code, never eval'ed."""
