# A trigger's partials as they lie in a cell of the user's annex: a head, an index of the `match`
# values (open addressing), a log of partials in order of arrival.  Places are bytes from the log's
# start.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint8_t

from augenblick_native.hash cimport name_hash
from augenblick_native.record cimport pad8, payload, payload_bytes
from augenblick_native.state cimport User

# Payload of a cell of the annex: this, the index of `match` values, the log of partials.
cdef struct Head:
    uint32_t slots                          # of the index, a power of two
    uint32_t values                         # in the index
    uint32_t count                          # partials alive
    uint32_t alive_bytes                    # of the log
    uint32_t front                          # place of the first that may be alive
    uint32_t end                            # of the log
    int64_t front_ms                        # its first time, or an earlier one

# A `match` value in the index; `count` 0: a free slot.
cdef struct Chain:
    uint32_t hashed
    uint32_t count
    uint32_t first                          # places, in order of (first time, arrival)
    uint32_t last

# One partial; the value and the identities of its events follow.
cdef struct Partial:
    int64_t first_ms
    int64_t last_ms
    uint32_t following                      # place of the next of the same value
    uint32_t serial                         # order of arrival
    uint32_t identities_bytes
    uint16_t value_bytes
    uint8_t steps                           # taken so far; 0: dead
    uint8_t identity_parts

# The cell at hand.  Its pointers hold until the record grows.
cdef struct Book:
    Head* head
    Chain* index
    uint8_t* log
    uint32_t room                           # bytes of the log, used or not


cdef inline Book book_in(const User* annex, uint32_t offset) noexcept nogil:
    cdef Book book
    book.head = <Head*>payload(annex, offset)
    book.index = <Chain*>(<uint8_t*>book.head + sizeof(Head))
    book.log = <uint8_t*>book.index + book.head.slots * sizeof(Chain)
    book.room = payload_bytes(annex, offset) - <uint32_t>(book.log - <uint8_t*>book.head)
    return book


cdef inline Partial* partial_at(const Book* book, uint32_t place) noexcept nogil:
    return <Partial*>(book.log + place)


cdef inline const uint8_t* value_of(const Partial* partial) noexcept nogil:
    return <const uint8_t*>partial + sizeof(Partial)


cdef inline const uint8_t* identities_of(const Partial* partial) noexcept nogil:
    return value_of(partial) + partial.value_bytes


cdef inline uint32_t size_of(uint32_t value_bytes, uint32_t identities_bytes) noexcept nogil:
    return <uint32_t>sizeof(Partial) + pad8(value_bytes + identities_bytes)


cdef inline uint32_t bytes_of(const Partial* partial) noexcept nogil:
    return size_of(partial.value_bytes, partial.identities_bytes)


# As Group.hashed has it.
cdef inline uint32_t hash_of(const uint8_t* value, uint32_t value_bytes) noexcept nogil:
    return <uint32_t>name_hash(value, value_bytes) if value_bytes else 0
