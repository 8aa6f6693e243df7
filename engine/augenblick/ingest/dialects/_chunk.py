"""What every dialect makes of a client's bytes: a chunk of events, still raw."""

from dataclasses import dataclass


@dataclass(slots=True)
class Chunk:
    """A run of raw events with one carrier, as the router takes them; never changed once made (not
    frozen only because that triples what making one costs).

    `data[start:end]` holds the events; when `data` is a connection's receive buffer it stays valid
    only until the next bytes are read. `format` is one of `scanning.ENTRIES`, `RECORDS`, `NDJSON`.
    With `refusal` set, the bytes are a whole frame that cannot be routed, and `refusal` is the
    coded reason; it is answered like any other chunk, because sending it again cannot mend it.
    """

    format: int
    data: bytes | bytearray
    start: int
    end: int
    tag: bytes = b""  # kept as context.stream; empty: none
    chunk: bytes = b""  # the client's id of the chunk, equal on each attempt; empty: none
    ack: bytes = b""  # the encoded answer that confirms the chunk; empty: none is wanted
    is_warm: bool = False
    is_end: bool = False  # these were the source's last events: its time moves past them
    refusal: str = ""
    detail: str = ""
