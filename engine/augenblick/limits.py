"""Every bound of the engine: `NAME_unit_max = value`, with the reason.

A queue, map, string or loop whose size a peer, a plan or a disk decides has its bound here, and
what a bound refuses is counted by reason. Groups are in alphabetical order, names within them too.
"""

from typing import Final

# events: what one client may send
context_keys_max: Final = 256  # keys of one context map; a form with more is not behaviour
event_bytes_max: Final = 256 * 1024  # one event; larger payloads belong in a store, with a link
event_name_bytes_max: Final = 128  # as long as any name of the known tracking vocabularies, twice
id_bytes_max: Final = 128  # an id is a UUID or a short key
nesting_depth_max: Final = 32  # maps and arrays inside one event; scanners keep a stack of this
props_keys_max: Final = 1024  # keys of one props map
session_bytes_max: Final = 128  # a session id is an id
tag_bytes_max: Final = 256  # a Fluent tag, kept as context.stream
time_ms_max: Final = 7_258_118_400_000  # 2200-01-01, exclusive: microseconds taken for ms
time_ms_min: Final = -2_208_988_800_000  # 1900-01-01, inclusive: a clock that never was set
user_bytes_max: Final = 256  # a user id; e-mail addresses have at most 254

# frames: what one connection may send
frame_bytes_max: Final = 16 * 1024 * 1024  # one frame or chunk, also after decompression
