# cython: language_level=3
"""What a key group holds: its end, and its gateways."""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from augenblick_native.panes cimport free_panes
from augenblick_native.prints cimport free_prints
from augenblick_native.record cimport free_record
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS, GatewayMark
from augenblick_native.table cimport free_entries
from augenblick_native.timer cimport free_heap


cdef bint make_gateways(KeyGroup* group, uint32_t count) noexcept nogil:
    cdef GatewayMark* gateways = &group.one_gateway
    if count > 1:
        gateways = <GatewayMark*>malloc(count * sizeof(GatewayMark))
        if gateways == NULL:
            return False
        if group.gateway_count:             # memcpy takes no NULL, whatever the size
            memcpy(gateways, group.gateways, group.gateway_count * sizeof(GatewayMark))
    if group.gateways != &group.one_gateway:
        free(group.gateways)
    group.gateways = gateways
    return True


cdef void free_group(Machine* machine, KeyGroup* group) noexcept nogil:
    cdef uint32_t index
    if group.entries != NULL:
        for index in range(group.mask + 1):
            if group.entries[index].user != NULL:
                machine.users -= 1
                free_record(&machine.arena, group.entries[index].user)
    free_panes(group)
    free_entries(&machine.tables, group)
    free_heap(&machine.tables, group)
    if group.gateways != &group.one_gateway:
        free(group.gateways)
    free_prints(&machine.tables, &group.prints)
    memset(group, 0, sizeof(KeyGroup))
    group.clock_ms = NO_TIME_MS
    group.panes.earliest_end_ms = NEVER_MS
