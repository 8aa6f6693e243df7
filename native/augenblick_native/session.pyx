# cython: language_level=3
"""A user's open sessions."""
from augenblick_native.machine cimport plus
from augenblick_native.record cimport (
    add_cell, find_cell, narrow, payload, payload_bytes, remove_cell, widen,
)
from augenblick_native.state cimport NEVER_MS, SESSION_ENDED, SLOT_SESSIONS


cdef inline Session* sessions_of(
    Machine* machine, uint32_t* offset, uint32_t* count
) noexcept nogil:
    offset[0] = find_cell(machine.keeper.user, SLOT_SESSIONS, NULL, 0, 0)
    if offset[0] == 0:
        count[0] = 0
        return NULL
    count[0] = payload_bytes(machine.keeper.user, offset[0]) // sizeof(Session)
    return <Session*>payload(machine.keeper.user, offset[0])


# True if an event at `at_ms` lies within the gap of the session and does not stretch it beyond
# `max`.
cdef inline bint reaches(Machine* machine, const Session* session, int64_t at_ms) noexcept nogil:
    if (
        at_ms > plus(session.last_ms, machine.plan.gap_ms)
        or at_ms < plus(session.start_ms, -machine.plan.gap_ms)
        or (session.events & SESSION_ENDED and at_ms > session.last_ms)
    ):
        return False
    return max(at_ms, session.last_ms) - min(at_ms, session.start_ms) <= machine.plan.session_max_ms


cdef Session* session_holding(Machine* machine, int64_t at_ms) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    for index in range(count):                      # kept in order of start: the earlier wins
        if reaches(machine, &sessions[index], at_ms):
            return &sessions[index]
    return NULL


cdef Session* session_enter(
    Machine* machine, int64_t at_ms, bint may_open, bint* began, uint32_t* merged,
    uint32_t* merged_count
) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    cdef Session* session
    cdef Session* following
    began[0] = False
    merged_count[0] = 0
    for index in range(count):
        session = &sessions[index]
        if not reaches(machine, session, at_ms):
            continue
        session.start_ms = min(session.start_ms, at_ms)
        following = session + 1
        while (
            index + 1 < count
            and merged_count[0] < MERGED_MAX
            and reaches(machine, following, at_ms)
        ):
            if max(at_ms, following.last_ms) - session.start_ms > machine.plan.session_max_ms:
                break
            if session.events & SESSION_ENDED and following.last_ms > session.last_ms:
                break
            merged[merged_count[0]] = following.serial
            merged_count[0] += 1
            session.last_ms = following.last_ms
            session.events += following.events          # with its SESSION_ENDED
            narrow(machine.keeper.user, offset, (index + 1) * sizeof(Session), sizeof(Session))
            count -= 1
        session.last_ms = max(session.last_ms, at_ms)
        session.events += 1
        return session
    if not may_open:
        return NULL
    if offset == 0:
        offset = add_cell(&machine.keeper, SLOT_SESSIONS, NULL, 0, 0, sizeof(Session))
        if offset == 0:
            return NULL
        index = 0
    else:
        index = 0
        while index < count and sessions[index].start_ms <= at_ms:
            index += 1
        if not widen(&machine.keeper, offset, index * sizeof(Session), sizeof(Session)):
            return NULL
    began[0] = True
    machine.keeper.user.stamp += 1
    session = <Session*>payload(machine.keeper.user, offset) + index
    session.start_ms = at_ms
    session.last_ms = at_ms
    session.events = 1
    session.serial = machine.keeper.user.stamp
    return session


cdef int64_t sessions_next_close_ms(Machine* machine) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    cdef int64_t earliest = NEVER_MS
    for index in range(count):
        earliest = min(earliest, plus(sessions[index].last_ms, machine.plan.gap_ms))
    return earliest


cdef Session* session_ending(Machine* machine, int64_t at_ms) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    for index in range(count):
        if plus(sessions[index].last_ms, machine.plan.gap_ms) == at_ms:
            return &sessions[index]
    return NULL


cdef bint session_close(Machine* machine, int64_t at_ms, Session* closed) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    for index in range(count):
        if plus(sessions[index].last_ms, machine.plan.gap_ms) == at_ms:
            closed[0] = sessions[index]
            if count == 1:
                remove_cell(machine.keeper.user, offset)
            else:
                narrow(machine.keeper.user, offset, index * sizeof(Session), sizeof(Session))
            return True
    return False


cdef void session_end(Machine* machine, Session* session, int64_t at_ms) noexcept nogil:
    if at_ms == session.last_ms:
        session.events |= SESSION_ENDED


cdef uint32_t session_events(const Session* session) noexcept nogil:
    return session.events & ~<uint32_t>SESSION_ENDED


cdef int64_t session_still_ms(Machine* machine, const Session* session) noexcept nogil:
    if session.events & SESSION_ENDED:
        return session.last_ms
    return min(
        plus(session.last_ms, machine.plan.gap_ms),
        plus(session.start_ms, machine.plan.session_max_ms),
    )


cdef bint is_cut(Machine* machine, const Session* session) noexcept nogil:
    cdef uint32_t offset, count, index
    cdef Session* sessions = sessions_of(machine, &offset, &count)
    if session.events & SESSION_ENDED:
        return True
    for index in range(count):
        if session.last_ms < sessions[index].start_ms <= plus(session.last_ms, machine.plan.gap_ms):
            return True
    return False
