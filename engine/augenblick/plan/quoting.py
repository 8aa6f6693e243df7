"""Recognises conditions that YAML has broken because they were not quoted, and says so.

Inside braces ``, [ ] { }``, ``: `` and `` #`` belong to YAML. A condition with one of them is cut
in two or makes the text unreadable; the mistake is ours to explain, since a plan is full of
conditions.
"""

import re

from augenblick.plan.document import Document, Path

RULE = "inside braces a condition with , [ ] { } or ': ' or ' #' in it must be quoted as a whole"
_CONDITION = re.compile(r"[<>=!]=|[<>]|\b(and|or|not|in|when|where)\b|[(+*/]")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def is_open(text: str) -> bool:
    """Whether a text ends inside a quote or bracket: what stands after it was cut off."""
    stack: list[str] = []
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            stack.append(character)
        elif character in ")]}" and stack and stack[-1] == _PAIRS[character]:
            stack.pop()
    return bool(quote or stack)


def explain_cut_by_comma(text: str) -> str:
    """The sentence for a condition of which a comma left only ``text``."""
    return f"the comma has cut the condition off after {text!r}: {RULE}"


def explain_cut_by_comment(document: Document | None, path: Path) -> str:
    """A tail for a condition's mistake when `` #`` has made a comment of its end; else empty."""
    rest = document.rest_of_line(path) if document else ""
    if rest.lstrip().startswith("#"):
        return " (the ' #' after it begins a YAML comment: a condition with ' #' must be quoted)"
    return ""


def explain_unreadable(
    lines: list[str], context: str, first_line: int, last_line: int
) -> tuple[int, str] | None:
    """Line (from 1) and sentence when an unquoted condition made YAML fail, else None.

    ``context``: what the reader was doing. ``first_line`` and ``last_line``: the lines, from 1, at
    which that thing began and at which the reader gave up.
    """
    between = range(first_line, min(last_line, len(lines)) + 1)
    if "flow" in context:
        for line in between:
            before, hash_sign, _ = lines[line - 1].partition(" #")
            if hash_sign and before.count("{") > before.count("}") and _CONDITION.search(before):
                return line, f"the ' #' begins a YAML comment: {RULE}"
        if last_line <= len(lines) and _CONDITION.search(lines[last_line - 1]):
            return last_line, f"this is no valid YAML: {RULE}"
    elif last_line <= len(lines) and re.match(r"\s*[\w-]+:\s+\S.*[:\"'\]}]", lines[last_line - 1]):
        return last_line, (
            "this is no valid YAML: a text with ': ' in it, or one that begins with a quote or "
            "bracket, must be quoted as a whole"
        )
    return None
