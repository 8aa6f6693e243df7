# msgpack to JSON text.
from libc.stdint cimport uint8_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.cursor cimport Cursor

# Read one value and write it as compact JSON.  ValueError: no JSON can hold it.
cdef int put_json(Buffer* out, Cursor* cursor, int depth) except -1

# Write [data, data + size), which is UTF-8, as a JSON string.
cdef int put_json_string(Buffer* out, const uint8_t* data, size_t size) except -1
