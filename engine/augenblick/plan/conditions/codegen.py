"""Turns a resolved condition into the words of the kernel's stack machine."""

from typing import TYPE_CHECKING

from augenblick import limits
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.program import AT_HAND, OWN_FIELDS, Op, ReductionKind
from augenblick.plan.resolved import (
    ZONED,
    EventRef,
    NamedSegment,
    Ref,
    Resolved,
    StepRef,
    StoredFeature,
    StoredMetric,
)

if TYPE_CHECKING:
    from augenblick.plan.tables import Tables

_IN_ITEMS_MAX = 16  # a longer list is cut into several, so that the stack stays small
_SIMPLE: dict[str, Op] = {
    "add": Op.ADD, "sub": Op.SUB, "mul": Op.MUL, "div": Op.DIV, "neg": Op.NEG,
    "abs": Op.ABS, "round": Op.ROUND,
    "eq": Op.EQ, "ne": Op.NE, "lt": Op.LT, "le": Op.LE, "gt": Op.GT, "ge": Op.GE,
    "in_value": Op.IN_VALUE, "not": Op.NOT, "exists": Op.EXISTS,
    "lower": Op.LOWER, "startswith": Op.STARTSWITH, "contains": Op.CONTAINS,
    "hour": Op.HOUR, "weekday": Op.WEEKDAY, "days_since": Op.DAYS_SINCE,
    "distance_km": Op.DISTANCE_KM,
}  # fmt: skip
_REDUCED: dict[str, ReductionKind] = {
    "max_of": "max", "min_of": "min", "sum_of": "sum", "any_of": "any",
}  # fmt: skip
_COUNTED: dict[str, Op] = {"min": Op.MIN, "max": Op.MAX}


def generate(
    condition: Resolved, tables: "Tables", keeps: dict[int, int] | None = None
) -> tuple[int, ...]:
    """The code of a condition, ending in END. Raises ConditionError beyond the kernel's bounds.

    ``keeps``: of one that reads earlier steps: the numbers of the operands that it reads of events.
    """
    writer = _Writer(tables, keeps)
    writer.write(condition, 0)
    writer.put(Op.END)
    if len(writer.words) > limits.code_words_max:
        raise ConditionError(
            f"the condition, with the expressions it reads, is longer than {limits.code_words_max} "
            "steps",
            0,
        )
    return tuple(writer.words)


class _Writer:
    """The words of one code. ``depth``: values on the stack before the node at hand."""

    def __init__(self, tables: "Tables", keeps: dict[int, int] | None) -> None:
        self.words: list[int] = []
        self._keeps = keeps
        self._tables = tables

    def put(self, op: Op, operand: int = 0) -> int:
        self.words.append(operand << 8 | op)
        return len(self.words) - 1

    def write(self, node: Resolved, depth: int) -> None:
        if depth + 1 > limits.code_stack_max:
            raise ConditionError(
                f"the condition holds more than {limits.code_stack_max} values at once", 0
            )
        if len(self.words) > limits.code_words_max:
            return
        if node.operation in ("and", "or"):
            self._logic(node, depth)
        elif node.operation == "in":
            self._in(node, depth)
        elif node.operation in _REDUCED:
            reduced = self._tables.reduction(_REDUCED[node.operation], node.arguments[0])
            self.put(Op.REDUCE, reduced)
        elif node.operation in _SIMPLE:
            if node.operation in ZONED:
                self._tables.read_zone()
            self._arguments(node.arguments, depth)
            self.put(_SIMPLE[node.operation])
        elif node.operation in _COUNTED:
            self._arguments(node.arguments, depth)
            self.put(_COUNTED[node.operation], len(node.arguments))
        else:
            self._leaf(node)

    def _arguments(self, arguments: tuple[Resolved, ...], depth: int) -> None:
        for index, argument in enumerate(arguments):
            self.write(argument, depth + index)

    def _logic(self, node: Resolved, depth: int) -> None:
        op = Op.AND_JUMP if node.operation == "and" else Op.OR_JUMP
        jumps = []
        for argument in node.arguments[:-1]:
            self.write(argument, depth)
            jumps.append(self.put(op))
        self.write(node.arguments[-1], depth)
        for jump in jumps:
            self.words[jump] = len(self.words) << 8 | op

    def _in(self, node: Resolved, depth: int) -> None:
        value, items = node.arguments[0], node.arguments[1:]
        jumps = []
        for start in range(0, len(items), _IN_ITEMS_MAX):
            chunk = items[start : start + _IN_ITEMS_MAX]
            if start:
                jumps.append(self.put(Op.OR_JUMP))
            self._arguments((value, *chunk), depth)
            self.put(Op.IN, len(chunk))
        for jump in jumps:
            self.words[jump] = len(self.words) << 8 | Op.OR_JUMP

    def _kept(self, step: int, ref: Ref, event: int) -> None:
        assert self._keeps is not None
        number = self._keeps.setdefault(self._tables.operand(ref), len(self._keeps))
        self.put(Op.STEP, step)
        self.words += [number, event]

    def _leaf(self, node: Resolved) -> None:
        target = node.target
        match target:
            case StoredFeature():
                self.put(Op.FEATURE, self._tables.feature(target))
            case NamedSegment():
                self.put(Op.SEGMENT, self._tables.segment(target))
            case StoredMetric():
                self.put(Op.METRIC, self._tables.metric(target))
            case StepRef(ref, step_event, step):
                self._kept(step, ref, self._tables.event(step_event) + 1)
            case EventRef(ref, None) if self._keeps is not None:
                self._kept(AT_HAND, ref, 0)
            case EventRef(ref, event):
                own = ref.scope == "own"
                number = OWN_FIELDS[ref.name] if own else self._tables.field(ref)
                if event is None:
                    self.put(Op.OWN if own else Op.FIELD, number)
                else:
                    self.put(Op.OWN_OF if own else Op.FIELD_OF, number)
                    self.words.append(self._tables.event(event))
            case _:
                self.put(Op.CONST, self._tables.const(target))
