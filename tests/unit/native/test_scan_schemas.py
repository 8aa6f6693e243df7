"""Declared properties: types, what may be null or absent, what is not declared."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.routing import (
    PROGRAM,
    event,
    new_router,
    pack,
    reasons,
    refusal,
    route,
    with_schema,
)

from augenblick.binding.scanning import NDJSON
from augenblick.plan.program import Schema, SchemaProperty

SAMPLES: dict[str, list[Any]] = {
    "null": [None],
    "bool": [True, False],
    "int": [0, -1, 127, 128, -32, -33, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)],
    "big": [2**63, 2**64 - 1],
    "whole": [0.0, -0.0, 5.0, -1e15, 2.0**53],
    "float": [0.5, -1e300, 5e-324, 1e16],
    "str": ["", "x", "é" * 300],
    "list": [[], [1], ["a", [None]]],
    "map": [{}, {"a": 1}],
}
TAKEN = {
    "str": {"str"},
    "int": {"int"},
    "float": {"int", "whole", "float"},
    "bool": {"bool"},
    "time": {"int", "whole"},
    "list": {"list"},
}


@pytest.mark.parametrize("declared", TAKEN)
@pytest.mark.parametrize("given_kind", SAMPLES)
def test_types(declared: str, given_kind: str):
    strict, nullable = with_schema(x=declared), with_schema(x=f"{declared}|null")
    for sample in SAMPLES[given_kind]:
        record = event(props={"x": sample})
        wanted = None if given_kind in TAKEN[declared] else "bad_property"
        assert refusal(record, strict) == wanted
        line = json.dumps(record).encode()
        assert refusal(line, strict, format=NDJSON) == wanted
        wanted = None if given_kind == "null" else wanted
        assert refusal(record, nullable) == wanted


def test_what_is_not_nullable_must_be_there():
    program = with_schema(sku="str", price="float|null")
    assert refusal(event(props={"sku": "a"}), program) is None
    assert refusal(event(props={"sku": "a", "price": None}), program) is None
    for props in ({}, {"price": 1.0}, {"Sku": "a"}, {"sku": None}, {"x": "sku"}, None, ...):
        assert refusal(event(props=props), program) == "bad_property"
    assert refusal(event(props={"price": 1}, event="buy"), program) is None
    assert refusal(event(), with_schema(price="float|null")) is None
    assert refusal(event(props=...), with_schema()) is None


def test_undeclared_properties_pass():
    program = with_schema(sku="str")
    for value in (None, 1, [1], {"sku": 5}, "x"):
        assert refusal(event(props={"sku": "a", "other": value}), program) is None


def test_the_event_may_stand_behind_its_props():
    program = with_schema(sku="str")
    for props, wanted in [({"sku": "a"}, None), ({"sku": 1}, "bad_property"), ({}, "bad_property")]:
        record = {"props": props, "user": "u", "event": "view"}
        assert refusal(record, program) == wanted
        assert refusal({**record, "event": "other"}, program) is None


def test_a_property_that_stands_twice_is_checked_twice():
    program = with_schema(sku="str", price="float")
    head, _, tail = pack(event(props="#")).partition(b"\xa1#")

    def twice(first: Any, second: Any) -> str | None:
        props = b"\x83" + pack("sku", first, "sku", second, "price", 1.5)
        return refusal(head + props + tail, program)

    assert twice("a", "b") is None
    assert twice("a", 1) == twice(1, "a") == "bad_property"
    props = b"\x82" + pack("sku", "a", "sku", "b")
    assert refusal(head + props + tail, program) == "bad_property"


def test_one_event_says_nothing_about_the_next():
    router = new_router(with_schema(a="str", b="int"))
    good = {"a": "x", "b": 1}
    batch = [good, {"a": "x"}, good, {"b": 1}, {}, good, {"a": 1, "b": 1}, good]
    routed = route(router, pack(*(event(props=props) for props in batch)))
    assert [index for index, *_ in routed.refused] == [1, 3, 4, 6]
    assert set(reasons(routed)) == {"bad_property"}


NAMES = st.text(min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.sampled_from(sorted(TAKEN)), max_size=40), st.data())
def test_many_properties(declared: dict[str, str], data: st.DataObject):
    nullable = data.draw(st.sets(st.sampled_from(sorted(declared)))) if declared else set()
    schema = tuple(
        SchemaProperty(name, kind, name in nullable)  # type: ignore[arg-type]
        for name, kind in declared.items()
    )
    program = replace(PROGRAM, schemas=(Schema(1, ()), Schema(0, schema)))
    props = {
        name: SAMPLES.get(kind, [0])[0]
        for name, kind in declared.items()
        if name not in nullable or data.draw(st.booleans())
    }
    order = data.draw(st.permutations(list(props)))
    record = event(props={name: props[name] for name in order} | {"an undeclared name": 1})
    assert refusal(record, program) is None
    required = [name for name in declared if name not in nullable]
    if required:
        del record["props"][data.draw(st.sampled_from(required))]
        assert refusal(record, program) == "bad_property"
