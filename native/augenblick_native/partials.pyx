# cython: language_level=3
"""Partials of sequences, each trigger's in one cell of the user's annex.

A user may look at thousands of articles within a sequence's reach, so the partials of a
value are found by hash and linked in order of (first time, arrival), and the log loses the hopeless
ones at its front.  Places in the log are bytes from its start.  A partial is hopeless, and given
up, once the watermark is strictly past its first event + within.
"""
from libc.stdint cimport uint16_t
from libc.string cimport memcpy, memmove, memset

from augenblick_native.book cimport (
    Book, Chain, Head, Partial, book_in, bytes_of, hash_of, identities_of, partial_at, size_of,
    value_of,
)
from augenblick_native.buffer cimport buffer_room, put_bytes
from augenblick_native.hash cimport same_bytes
from augenblick_native.machine cimport COUNT_PARTIALS_DROPPED, COUNT_STATE_FULL, plus
from augenblick_native.program cimport OPERAND_NONE
from augenblick_native.record cimport (
    add_cell, cell_at, drop_empty_annex, face_annex, find_cell, first_cell, make_annex, pad8,
    payload, payload_bytes, remove_cell, shrink, widen,
)
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS
from augenblick_native.step cimport MASK_NOT
from augenblick_native.steps cimport (
    identities_size, is_negated, moved_to, rows_size, write_rows,
)

cdef uint32_t NONE = 0xFFFFFFFF             # no place in the log


cdef inline Book open_book(Machine* machine, uint32_t offset) noexcept nogil:
    return book_in(machine.annex.user, offset)


cdef inline bint is_hopeless(
    Machine* machine, const TriggerRule* rule, const Partial* partial
) noexcept nogil:
    return plus(partial.first_ms, rule.within_ms) < machine.clock_ms


# The index

# The value's chain, or the free slot where it would go.
cdef inline Chain* find_chain(
    const Book* book, const uint8_t* value, uint32_t value_bytes, uint32_t hashed
) noexcept nogil:
    cdef uint32_t at = hashed & (book.head.slots - 1)
    cdef Chain* chain
    cdef const Partial* partial
    while True:
        chain = &book.index[at]
        if chain.count == 0:
            return chain
        if chain.hashed == hashed:
            partial = partial_at(book, chain.first)
            if partial.value_bytes == value_bytes and same_bytes(
                value_of(partial), value, value_bytes
            ):
                return chain
        at = (at + 1) & (book.head.slots - 1)


# Give back the slot of a value without partials; those that had to step aside for it move up.
cdef void free_chain(const Book* book, Chain* chain) noexcept nogil:
    cdef uint32_t mask = book.head.slots - 1
    cdef uint32_t hole = <uint32_t>(chain - book.index)
    cdef uint32_t at = hole
    while True:
        at = (at + 1) & mask
        if book.index[at].count == 0:
            break
        if ((at - book.index[at].hashed) & mask) >= ((at - hole) & mask):
            book.index[hole] = book.index[at]
            hole = at
    book.index[hole].count = 0
    book.head.values -= 1


# Put a partial of the log into its value's chain.
cdef void link(const Book* book, Chain* chain, uint32_t hashed, uint32_t place) noexcept nogil:
    cdef Partial* partial = partial_at(book, place)
    cdef Partial* other
    cdef uint32_t before = NONE
    cdef uint32_t at
    partial.following = NONE
    chain.count += 1
    if chain.count == 1:
        chain.hashed = hashed
        chain.first = chain.last = place
        book.head.values += 1
        return
    other = partial_at(book, chain.last)
    if other.first_ms <= partial.first_ms and (
        other.first_ms < partial.first_ms or other.serial < partial.serial
    ):
        other.following = place
        chain.last = place
        return
    at = chain.first
    while True:                             # the last one comes after it: that is the end at worst
        other = partial_at(book, at)
        if other.first_ms > partial.first_ms or (
            other.first_ms == partial.first_ms and other.serial > partial.serial
        ):
            break
        before = at
        at = other.following
    partial.following = at
    if before == NONE:
        chain.first = place
    else:
        partial_at(book, before).following = place


# Take a partial out of its chain, which may be left empty: free_chain is up to the caller.
cdef void unlink(const Book* book, Chain* chain, uint32_t before, uint32_t place) noexcept nogil:
    cdef Partial* partial = partial_at(book, place)
    if before == NONE:
        chain.first = partial.following
    else:
        partial_at(book, before).following = partial.following
    if chain.last == place:
        chain.last = before
    chain.count -= 1
    partial.steps = 0
    book.head.count -= 1
    book.head.alive_bytes -= bytes_of(partial)


# The log

# The dead out of the log and everything into the index anew.
cdef void rebuild(const Book* book) noexcept nogil:
    cdef Head* head = book.head
    cdef uint32_t place = head.front
    cdef uint32_t kept = 0
    cdef uint32_t size, hashed
    cdef Partial* partial
    memset(book.index, 0, head.slots * sizeof(Chain))
    head.values = 0
    while place < head.end:
        partial = partial_at(book, place)
        size = bytes_of(partial)
        if partial.steps:
            memmove(book.log + kept, partial, size)
            partial = partial_at(book, kept)
            hashed = hash_of(value_of(partial), partial.value_bytes)
            link(
                book, find_chain(book, value_of(partial), partial.value_bytes, hashed), hashed, kept
            )
            kept += size
        place += size
    head.front = 0
    head.front_ms = NO_TIME_MS
    head.end = kept


# Take the first partial of the log out of it.
cdef void drop_front(const Book* book) noexcept nogil:
    cdef Head* head = book.head
    cdef Partial* partial = partial_at(book, head.front)
    cdef Chain* chain
    cdef uint32_t before = NONE
    cdef uint32_t at
    if partial.steps:
        chain = find_chain(
            book, value_of(partial), partial.value_bytes,
            hash_of(value_of(partial), partial.value_bytes)
        )
        at = chain.first
        while at != head.front:
            before = at
            at = partial_at(book, at).following
        unlink(book, chain, before, at)
        if chain.count == 0:
            free_chain(book, chain)
    head.front += bytes_of(partial)
    if head.front == head.end:
        head.front = head.end = 0
        head.front_ms = NO_TIME_MS


# The dead and the hopeless at the front of the log go.
cdef void sweep_front(Machine* machine, const TriggerRule* rule, const Book* book) noexcept nogil:
    cdef const Partial* partial
    if plus(book.head.front_ms, rule.within_ms) >= machine.clock_ms:
        return
    while book.head.front < book.head.end:
        partial = partial_at(book, book.head.front)
        book.head.front_ms = partial.first_ms
        if partial.steps and not is_hopeless(machine, rule, partial):
            return
        drop_front(book)


# Room for `size` more bytes of log and one more value in the index.  False: full or no memory.
cdef bint make_room(Machine* machine, uint32_t offset, Book* book, uint32_t size) noexcept nogil:
    cdef uint32_t slots = book.head.slots
    cdef uint32_t whole
    if (book.head.values + 1) * 4 > slots * 3:
        if not widen(
            &machine.annex, offset, <uint32_t>(sizeof(Head) + slots * sizeof(Chain)),
            <uint32_t>(slots * sizeof(Chain))
        ):
            return False
        book[0] = open_book(machine, offset)
        book.head.slots = slots * 2
        book[0] = open_book(machine, offset)
        rebuild(book)
    if book.head.end + size <= book.room:
        return True
    if book.head.alive_bytes * 2 <= book.head.end and book.head.alive_bytes + size <= book.room:
        rebuild(book)
        return True
    whole = payload_bytes(machine.annex.user, offset)
    if not widen(&machine.annex, offset, whole, pad8(max(size, whole // 4))):
        return False
    book[0] = open_book(machine, offset)
    return True


# Append a partial to the log, not linked yet; there is room.
cdef Partial* append(
    const Book* book, const uint8_t* value, uint32_t value_bytes, uint32_t identities_bytes
) noexcept nogil:
    cdef Partial* partial = partial_at(book, book.head.end)
    partial.value_bytes = <uint16_t>value_bytes
    partial.identities_bytes = identities_bytes
    if value_bytes:                         # memcpy takes no NULL, whatever the size
        memcpy(<uint8_t*>value_of(partial), value, value_bytes)
    book.head.end += bytes_of(partial)
    book.head.alive_bytes += bytes_of(partial)
    book.head.count += 1
    return partial


# Steps

cdef uint32_t make_cell(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef uint32_t slots = 2 if rule.match == OPERAND_NONE else 4
    cdef uint32_t offset = add_cell(
        &machine.annex, rule.partial_slot, NULL, 0, 0,
        <uint32_t>(sizeof(Head) + slots * sizeof(Chain))
    )
    if offset:
        (<Head*>payload(machine.annex.user, offset)).slots = slots
        (<Head*>payload(machine.annex.user, offset)).front_ms = NO_TIME_MS
    return offset


# The chain is full: its oldest partial goes.  False: the new one would be that itself.
cdef bint drop_oldest(
    Machine* machine, const Book* book, Chain* chain, const Taken* taken
) noexcept nogil:
    machine.counters[COUNT_PARTIALS_DROPPED] += 1
    if taken.time_ms < partial_at(book, chain.first).first_ms:
        return False
    unlink(book, chain, NONE, chain.first)
    if chain.count == 0:
        free_chain(book, chain)
    return True


cdef void begin_partial(
    Machine* machine, const TriggerRule* rule, const Taken* taken, uint32_t offset
) noexcept nogil:
    cdef Book book
    cdef Chain* chain
    cdef Partial* partial
    cdef uint8_t* identities
    cdef uint32_t rows
    if offset == 0 and make_annex(&machine.annex):
        offset = make_cell(machine, rule)
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return
    book = open_book(machine, offset)
    sweep_front(machine, rule, &book)
    chain = find_chain(&book, taken.group.data, taken.group.size, taken.group.hashed)
    if chain.count >= rule.partial_max and not drop_oldest(machine, &book, chain, taken):
        return
    while book.head.count >= TRIGGER_PARTIALS_MAX:
        machine.counters[COUNT_PARTIALS_DROPPED] += partial_at(&book, book.head.front).steps != 0
        drop_front(&book)
    rows = rows_size(machine, rule, NULL, taken, 1) if rule.keeps_count else 0
    if not make_room(
        machine, offset, &book, size_of(taken.group.size, taken.identity_bytes + rows)
    ):
        machine.counters[COUNT_STATE_FULL] += 1
        if book.head.count == 0:
            remove_cell(machine.annex.user, offset)
        return
    partial = append(&book, taken.group.data, taken.group.size, taken.identity_bytes + rows)
    machine.keeper.user.stamp += 1
    partial.serial = machine.keeper.user.stamp
    partial.first_ms = taken.time_ms
    partial.last_ms = taken.time_ms
    partial.steps = 1
    partial.identity_parts = taken.identity_parts
    identities = <uint8_t*>identities_of(partial)
    memcpy(identities, taken.identity, taken.identity_bytes)
    if rows:
        write_rows(machine, rule, NULL, taken, 1, identities + taken.identity_bytes, rows)
    link(
        &book, find_chain(&book, taken.group.data, taken.group.size, taken.group.hashed),
        taken.group.hashed, <uint32_t>(<uint8_t*>partial - book.log)
    )


# The partial goes on to a position, at the log's end; in its chain it keeps its place.
cdef uint32_t extend(
    Machine* machine, const TriggerRule* rule, const Book* book, Chain* chain, uint32_t before,
    uint32_t place, const Taken* taken, uint32_t position
) noexcept nogil:
    cdef Partial* old = partial_at(book, place)
    cdef uint32_t former = identities_size(rule, old) if rule.keeps_count else old.identities_bytes
    cdef uint32_t rows = (
        rows_size(machine, rule, old, taken, position) if rule.keeps_count else 0
    )
    cdef Partial* partial = append(
        book, value_of(old), old.value_bytes, former + taken.identity_bytes + rows
    )
    cdef uint8_t* identities = <uint8_t*>identities_of(partial)
    cdef uint32_t made = <uint32_t>(<uint8_t*>partial - book.log)
    memcpy(identities, identities_of(old), former)
    memcpy(identities + former, taken.identity, taken.identity_bytes)
    if rows:
        write_rows(
            machine, rule, old, taken, position, identities + former + taken.identity_bytes, rows
        )
    partial.first_ms = old.first_ms
    partial.last_ms = taken.time_ms
    partial.following = old.following
    partial.serial = old.serial
    partial.steps = <uint8_t>position
    partial.identity_parts = old.identity_parts + taken.identity_parts
    unlink(book, chain, before, place)
    chain.count += 1
    if before == NONE:
        chain.first = made
    else:
        partial_at(book, before).following = made
    if partial.following == NONE:
        chain.last = made
    return made


# A match of the partial's events and the event at hand, in the call's scratch.
cdef bint complete(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    Match* match
) noexcept nogil:
    cdef uint32_t before = 0
    cdef size_t at = machine.scratch.size
    if partial != NULL:
        before = identities_size(rule, partial) if rule.keeps_count else partial.identities_bytes
    if buffer_room(&machine.scratch, before + taken.identity_bytes) == NULL:
        return False
    if before:
        put_bytes(&machine.scratch, identities_of(partial), before)
    put_bytes(&machine.scratch, taken.identity, taken.identity_bytes)
    match.time_ms = taken.time_ms
    match.group = taken.group
    match.identities = machine.scratch.data + at
    match.identities_bytes = before + taken.identity_bytes
    match.identity_parts = taken.identity_parts + (partial.identity_parts if partial != NULL else 0)
    match.cause = taken.cause
    match.cause_bytes = taken.cause_bytes
    return True


cdef bint match_alone(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match
) noexcept nogil:
    return complete(machine, rule, NULL, taken, match)


# The position to which the event takes the partial; 0: it is no step for it.
cdef inline uint32_t next_position(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken
) noexcept nogil:
    if not rule.is_plain:
        return moved_to(machine, rule, partial, taken)
    if (
        taken.mask & (<uint32_t>1 << partial.steps) != 0
        and taken.time_ms >= partial.last_ms
        and taken.time_ms - partial.first_ms <= rule.within_ms
    ):
        return partial.steps + 1
    return 0


# Log bytes of the partials that the event extends, or a few more.
cdef uint32_t extended_bytes(
    Machine* machine, const TriggerRule* rule, const Book* book, const Chain* chain,
    const Taken* taken
) noexcept nogil:
    cdef uint32_t size = 0
    cdef uint32_t place = chain.first if chain.count else NONE
    cdef const Partial* partial
    cdef uint32_t position
    while place != NONE:
        partial = partial_at(book, place)
        position = next_position(machine, rule, partial, taken)
        if position and position < rule.positions_count:
            size += size_of(
                partial.value_bytes, partial.identities_bytes + taken.identity_bytes
                + (rows_size(machine, rule, partial, taken, position) if rule.keeps_count else 0)
            )
        place = partial.following
    return size


# Each partial that waits for the event takes it; the ones out of reach go.
cdef bint take_steps(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms,
    uint32_t offset
) noexcept nogil:
    cdef Book book = open_book(machine, offset)
    cdef Chain* chain = find_chain(&book, taken.group.data, taken.group.size, taken.group.hashed)
    cdef uint32_t before = NONE
    cdef uint32_t place, following
    cdef Partial* partial
    cdef bint matched = False
    cdef bint goes
    cdef uint32_t position
    if chain.count == 0:
        return False
    if rule.positions_count > 2:
        if not make_room(
            machine, offset, &book, extended_bytes(machine, rule, &book, chain, taken)
        ):
            machine.counters[COUNT_STATE_FULL] += 1
            return False
        chain = find_chain(&book, taken.group.data, taken.group.size, taken.group.hashed)
    place = chain.first
    while place != NONE:
        partial = partial_at(&book, place)
        following = partial.following
        goes = is_hopeless(machine, rule, partial)
        position = 0 if goes else next_position(machine, rule, partial, taken)
        if not rule.is_plain and not goes:
            goes = is_negated(machine, rule, partial, taken, position)
        if goes or position == 0:
            goes = goes or (rule.strict and not taken.derived)
        elif position < rule.positions_count:
            place = extend(machine, rule, &book, chain, before, place, taken, position)
        elif rule.ends_in_not:
            arms[0] = True
            goes = rule.strict
        else:
            # in order of their beginning: the first is the match
            matched = matched or complete(machine, rule, partial, taken, match)
            goes = True
        if goes:
            unlink(&book, chain, before, place)
        else:
            before = place
        place = following
    # skip past last: the partials that began at or before the match's last event go
    while matched and chain.count and partial_at(&book, chain.first).first_ms <= taken.time_ms:
        unlink(&book, chain, NONE, chain.first)
    if chain.count == 0:
        free_chain(&book, chain)
    return matched


# The trigger's cell in the annex of the user at hand; 0: none.
cdef uint32_t face_cell(Machine* machine, const TriggerRule* rule) noexcept nogil:
    face_annex(&machine.keeper, &machine.annex)
    if machine.annex.user == NULL:
        return 0
    return find_cell(machine.annex.user, rule.partial_slot, NULL, 0, 0)


cdef bint step_partials(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms
) noexcept nogil:
    cdef uint32_t offset = face_cell(machine, rule)
    cdef uint32_t later_steps = taken.mask & ~<uint32_t>(MASK_NOT | rule.is_plain)
    cdef bint matched = False
    if offset and (later_steps or rule.strict):
        matched = take_steps(machine, rule, taken, match, arms, offset)
        if (<Head*>payload(machine.annex.user, offset)).count == 0:
            remove_cell(machine.annex.user, offset)
            offset = 0
    if not matched and taken.mask & 1:
        begin_partial(machine, rule, taken, offset)
    if machine.annex.user != NULL:
        drop_empty_annex(&machine.annex)
    return matched


cdef int64_t last_hopeless_ms(Machine* machine) noexcept nogil:
    cdef int64_t earliest_ms = NEVER_MS
    cdef int64_t last_ms
    cdef uint32_t offset, place
    cdef const TriggerRule* rule
    cdef Book book
    face_annex(&machine.keeper, &machine.annex)
    offset = first_cell(machine.annex.user)
    while offset < machine.annex.user.size:
        rule = rule_of(machine, offset)
        book = open_book(machine, offset)
        place = book.head.front
        last_ms = NO_TIME_MS
        while place < book.head.end:
            if partial_at(&book, place).steps:
                last_ms = max(last_ms, partial_at(&book, place).first_ms)
            place += bytes_of(partial_at(&book, place))
        if last_ms != NO_TIME_MS:
            earliest_ms = min(earliest_ms, plus(last_ms, rule.within_ms))
        offset += cell_at(machine.annex.user, offset).size
    return earliest_ms


# Whose cell of the annex it is.
cdef inline const TriggerRule* rule_of(Machine* machine, uint32_t offset) noexcept nogil:
    return &machine.plan.triggers[machine.slots[cell_at(machine.annex.user, offset).slot].index]


cdef void sweep_partials(Machine* machine) noexcept nogil:
    cdef uint32_t offset
    cdef Book book
    face_annex(&machine.keeper, &machine.annex)
    if machine.annex.user == NULL:
        return
    offset = first_cell(machine.annex.user)
    while offset < machine.annex.user.size:
        book = open_book(machine, offset)
        sweep_front(machine, rule_of(machine, offset), &book)
        if book.head.count == 0:
            remove_cell(machine.annex.user, offset)
        else:
            offset += cell_at(machine.annex.user, offset).size
    drop_empty_annex(&machine.annex)
    if machine.annex.user != NULL:
        shrink(&machine.annex)
