# cython: language_level=3
"""Partials fetched ahead: the memory that an event will touch in its sequences.

What is seen here may change before the event's turn comes, so nothing but prefetches follows from
it.
"""
from libc.stdint cimport uint32_t

from augenblick_native.book cimport Book, Chain, Partial, book_in, hash_of, partial_at, value_of
from augenblick_native.cursor cimport prefetch
from augenblick_native.listing cimport dispatch_of, listed
from augenblick_native.machine cimport Group, plus
from augenblick_native.msgpack cimport packed_text
from augenblick_native.program cimport Dispatch, TriggerRule
from augenblick_native.record cimport find_cell
from augenblick_native.window cimport event_group


# Where the event's value begins to be looked for.  False: the annex has no partials of the trigger,
# or the value does not stand in the batch as it is wanted.
cdef bint foresee(
    Machine* machine, const User* annex, const Event* event, const TriggerRule* rule, Book* book,
    Chain** home
) noexcept nogil:
    cdef Group group
    cdef uint32_t offset
    if rule.event_time or (
        rule.match >= 0 and packed_text(&event.fields[rule.match]) == NULL
    ):
        return False
    offset = find_cell(annex, rule.partial_slot, NULL, 0, 0)
    if offset == 0:
        return False
    event_group(machine, event, rule.match, &group)
    book[0] = book_in(annex, offset)
    home[0] = &book.index[group.hashed & (book.head.slots - 1)]
    return True


cdef void fetch_chains(Machine* machine, const User* annex, const Event* event) noexcept nogil:
    cdef const Dispatch* dispatch = dispatch_of(machine, event)
    cdef uint32_t index
    cdef Book book
    cdef Chain* home
    for index in range(dispatch.sequences.count):
        if foresee(
            machine, annex, event,
            &machine.plan.triggers[listed(machine, &dispatch.sequences, index)], &book, &home
        ):
            prefetch(home)
            prefetch(book.log + book.head.front)
            prefetch(book.log + book.head.end)
            prefetch(book.log + book.head.end + 63)


cdef void fetch_partials(
    Machine* machine, const User* annex, const Event* event, int64_t watermark_ms
) noexcept nogil:
    cdef const Dispatch* dispatch = dispatch_of(machine, event)
    cdef const TriggerRule* rule
    cdef uint32_t index
    cdef Book book
    cdef Chain* home
    cdef const Partial* front
    for index in range(dispatch.sequences.count):
        rule = &machine.plan.triggers[listed(machine, &dispatch.sequences, index)]
        if not foresee(machine, annex, event, rule, &book, &home):
            continue
        if home.count:
            prefetch(partial_at(&book, home.first))
            prefetch(partial_at(&book, home.last))
        if plus(book.head.front_ms, rule.within_ms) < watermark_ms and book.head.end:
            front = partial_at(&book, book.head.front)
            prefetch(&book.index[
                hash_of(value_of(front), front.value_bytes) & (book.head.slots - 1)
            ])
