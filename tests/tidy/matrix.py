"""Who may import whom: one row for each package, the longest matching name counts.

ours     packages of ours that may be imported (a name covers everything below it)
outside  libraries that may be imported; None means any
never    modules of the standard library that may not be imported
"""

from dataclasses import dataclass

ANY = None
WORLD = frozenset({"asyncio", "random", "secrets", "select", "socket", "ssl", "threading", "time"})
LOOP = frozenset({"asyncio"})
LEAVES = frozenset({"augenblick.errors", "augenblick.limits"})
SEARCH = LEAVES | {"augenblick.registry"}
LINK_PURE = frozenset(
    {"augenblick.link.codec", "augenblick.link.handshake", "augenblick.link.messages"}
)
PURE_HALVES = LINK_PURE | {"augenblick.ingest.dialects", "augenblick.durability.formats"}
CORE = SEARCH | PURE_HALVES | {"augenblick.plan", "augenblick.binding", "augenblick.telemetry"}


@dataclass(frozen=True)
class Row:
    ours: frozenset[str]
    outside: frozenset[str] | None = frozenset()
    never: frozenset[str] = frozenset()


def row(ours=(), outside=(), never=()) -> Row:
    return Row(frozenset(ours), None if outside is ANY else frozenset(outside), frozenset(never))


ROWS: dict[str, Row] = {
    "augenblick": row({"augenblick"}),  # re-exports the public names
    "augenblick.errors": row(never=WORLD),
    "augenblick.limits": row(never=WORLD),
    "augenblick.registry": row({"augenblick.errors"}, never=WORLD),
    "augenblick.examples": row({"augenblick.errors"}, never=WORLD),
    "augenblick.client": row(LEAVES | {"augenblick.ingest"}),
    "augenblick.trigger_actors": row(LEAVES, {"numpy"}, WORLD),
    "augenblick.plan": row(SEARCH, {"pydantic", "pydantic_core", "ruamel"}, {*WORLD, "os"}),
    "augenblick.config": row(LEAVES | {"augenblick.plan"}, {"pydantic"}, LOOP),
    "augenblick.binding": row(
        LEAVES | {"augenblick.plan", "augenblick_native"}, {"msgpack", "msgspec"}, LOOP
    ),
    "augenblick.telemetry": row(LEAVES, {"hdrh"}, LOOP),
    "augenblick.telemetry.exporters": row(SEARCH | {"augenblick.telemetry"}, ANY),
    "augenblick.ingest": row(SEARCH),
    "augenblick.ingest.dialects": row(SEARCH | {"augenblick.binding"}, {"msgpack"}, WORLD),
    "augenblick.ingest.transports": row(
        SEARCH | {"augenblick.telemetry", "augenblick.ingest.dialects"},
        {"uvloop", "uvicorn", "starlette", "httptools"},
    ),
    "augenblick.link": row(LEAVES | {"augenblick.telemetry"} | LINK_PURE, {"uvloop", "msgpack"}),
    **{
        name: row(LEAVES | LINK_PURE | {"augenblick.binding"}, {"msgpack"}, WORLD)
        for name in LINK_PURE
    },
    "augenblick.durability": row(
        LEAVES | {"augenblick.binding"}, {"cryptography", "google_crc32c", "msgpack"}, {"asyncio"}
    ),
    "augenblick.durability.stores": row(
        SEARCH | {"augenblick.telemetry", "augenblick.durability"}, ANY
    ),
    "augenblick.durability.places": row(SEARCH | {"augenblick.durability"}, {"obstore"}),
    "augenblick.core": row(CORE, {"msgpack", "msgspec"}, {*WORLD, "os", "pathlib"}),
    "augenblick.channels": row(
        SEARCH | {"augenblick.telemetry", "augenblick.binding"},
        {"httptools", "standardwebhooks", "yarl"},
    ),
    "augenblick.actors": row({"augenblick"}, ANY),
    "augenblick.runtime": row({"augenblick"}, ANY),
    "augenblick.cli": row({"augenblick", "augenblick_bench"}, ANY),
    "augenblick_bench": row({"augenblick", "augenblick_native"}, ANY),
    "micro": row(
        {"augenblick", "augenblick_bench", "augenblick_native"}, ANY
    ),  # bench/micro, run by pytest
    "peers": row(set(), ANY),  # bench/peers, each run by a Python of its own
    "augenblick_native": row(
        {"augenblick_native"}, {"cpython", "libc", "cython"}, {"logging", *LOOP}
    ),
}

# Only these may import them, whatever their row says.
RESERVED = {
    "ray": frozenset(
        {"augenblick.actors", "augenblick.runtime.cluster_ray", "augenblick.runtime.ray_start"}
    ),
    "augenblick_native": frozenset(
        {"augenblick.binding", "augenblick_native", "augenblick_bench", "micro"}
    ),
}

# One file is one plug-in: files of these folders do not import each other, save `_names`.
PLUGIN_FOLDERS = frozenset(
    {
        "augenblick.channels",
        "augenblick.durability.places",
        "augenblick.durability.stores",
        "augenblick.ingest.dialects",
        "augenblick.plan.occasions",
        "augenblick.telemetry.exporters",
        "augenblick_bench.scenarios",
    }
)

# The native modules from the ground up: one may import its own level and those listed before it.
# Modules that are not listed are parts of these; for them it is enough that no ring is formed.
NATIVE_LEVELS = (
    ("status", "cursor"),
    ("msgpack", "json", "hash", "arena"),
    ("scan", "table", "program"),
    ("timer", "session", "window", "aggregates", "predicate"),
    ("pattern",),
    ("snapshot",),
    ("kernel",),
    ("_testing",),
)
