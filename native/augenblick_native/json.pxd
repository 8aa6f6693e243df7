# JSON text (RFC 8259) to msgpack, for files and clients that speak JSON.
from libc.stdint cimport uint8_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.status cimport Status

cdef enum:
    NUMBER_BYTES_MAX = 512      # one number as text; a double has at most 17 digits that count


# Append the one value in [data, data + size) to `out` in its shortest msgpack forms; white space
# may surround it. What it appended before a refusal is for the caller to cut off.
cdef Status transcode_json(const uint8_t* data, size_t size, Buffer* out) noexcept nogil
