# The stream from a router to a shard: what routed events look like on the link, in the journal and
# in the kernel.  Little endian, unaligned; a sequence of items, the first of them a mark.
#
#   mark:   u32 0xFFFFFFFF | u32 0 | i64 watermark_ms | i64 ingest_ms
#   event:  u32 body_bytes | u32 flags | i64 event_ms | u64 user_key | u64 number | u64 fingerprint
#           | body (the event's msgpack map)
#
# A mark holds for the events after it.  number: per (gateway, key group), from 1.  fingerprint: of
# (user, id) or of (chunk, index), 0 for none.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from augenblick_native.buffer cimport Buffer, put_i64, put_le32

cdef enum:
    KEY_GROUPS = 4096
    KEY_GROUP_SHIFT = 52        # key group = user_key >> 52
    MARK_BYTES = 24
    HEADER_BYTES = 40           # of an event, before its body
    FLAG_WARM = 1               # builds state, fires nothing


# What waits for one shard.
cdef struct Shard:
    Buffer stream
    uint64_t events
    bint has_mark               # the stream has one: its latest is (watermark_ms, ingest_ms)
    int64_t watermark_ms
    int64_t ingest_ms


# The header of an event, as it lies in the stream.
cdef struct Header:
    uint32_t body_bytes
    uint32_t flags
    int64_t event_ms
    uint64_t user_key
    uint64_t number
    uint64_t fingerprint


cdef inline void put_mark(Shard* shard, int64_t watermark_ms, int64_t ingest_ms) noexcept nogil:
    put_le32(&shard.stream, 0xFFFFFFFFU)
    put_le32(&shard.stream, 0)
    put_i64(&shard.stream, watermark_ms)
    put_i64(&shard.stream, ingest_ms)
    shard.has_mark = True
    shard.watermark_ms = watermark_ms
    shard.ingest_ms = ingest_ms


# True if an event with these stamps needs a mark before it.
cdef inline bint is_mark_due(
    const Shard* shard, int64_t watermark_ms, int64_t ingest_ms,
) noexcept nogil:
    return (
        not shard.has_mark or shard.watermark_ms != watermark_ms or shard.ingest_ms != ingest_ms
    )
