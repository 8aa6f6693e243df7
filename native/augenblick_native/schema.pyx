# cython: language_level=3
"""The plan's rules about single events, reserved names and schemas, as C tables for the scanner."""
from libc.stdlib cimport calloc, free

cdef dict CLASSES_OF_TYPE = {
    "str": CLASS_STR,
    "int": CLASS_INT,
    "float": CLASS_FLOAT | CLASS_WHOLE | CLASS_INT,
    "bool": CLASS_BOOL,
    "time": CLASS_INT | CLASS_WHOLE,
    "list": CLASS_LIST,
}


cdef class Rules:
    """The tables of one program.

    Made by a Router, which alone uses it, on one thread: a scan notes in them which properties it
    saw.  Owns every table and keeps the bytes they point into; all are freed with it.
    Of `program` it reads event_names, event_derived, unknown_events_refused, schemas, segments.
    """

    def __cinit__(self, program):
        cdef dict reserved = {}
        cdef uint32_t at
        self._kept = []
        for name, is_derived in zip(program.event_names, program.event_derived, strict=True):
            reserved[name] = bool(is_derived)
        for name in ("session", "context", "session.start", "session.end"):
            reserved[name] = True
        for segment in program.segments:
            for name in (segment.name, f"{segment.name}.enters", f"{segment.name}.leaves"):
                reserved[name] = True
        self.event_count = <uint32_t>len(reserved)
        self.rules.events = <EventRule*>calloc(self.event_count, sizeof(EventRule))
        if self.rules.events == NULL:
            raise MemoryError
        self.rules.unknown_refused = program.unknown_events_refused
        self.rules.names = self.name_table(list(reserved))
        for at, is_reserved in enumerate(reserved.values()):
            self.rules.events[at].is_reserved = is_reserved
        order = {name: index for index, name in enumerate(reserved)}
        for schema in program.schemas:
            self._add_schema(<uint32_t>order[program.event_names[schema.event_id]], schema.props)

    cdef _add_schema(self, uint32_t event, props):
        cdef EventRule* rule = &self.rules.events[event]
        cdef uint32_t at
        cdef uint32_t classes
        if not props:
            return
        rule.properties = <PropertyRule*>calloc(len(props), sizeof(PropertyRule))
        if rule.properties == NULL:
            raise MemoryError
        for at, wanted in enumerate(props):
            classes = CLASSES_OF_TYPE[wanted.type]
            if wanted.nullable:
                classes |= CLASS_NULL
            else:
                rule.required_count += 1
                rule.properties[at].is_required = True
            rule.properties[at].classes = classes
        rule.names = self.name_table([wanted.name for wanted in props])
        rule.has_schema = True

    cdef NameTable name_table(self, list names) except *:
        """A table from each name to its index in the list; at most half full."""
        cdef NameTable table
        cdef uint32_t slots = 4
        cdef uint32_t index
        cdef uint32_t at
        cdef const uint8_t* data
        cdef bytes text
        while slots < 2 * len(names):
            slots *= 2
        table.mask = slots - 1
        table.entries = <NameEntry*>calloc(slots, sizeof(NameEntry))
        if table.entries == NULL:
            raise MemoryError
        for index, name in enumerate(names):
            text = name.encode()
            self._kept.append(text)
            data = text
            at = <uint32_t>name_hash(data, len(text)) & table.mask
            while table.entries[at].data != NULL:
                at = (at + 1) & table.mask
            table.entries[at].data = data
            table.entries[at].size = <uint32_t>len(text)
            table.entries[at].hashed = name_hash(data, len(text))
            table.entries[at].index = index
        return table

    def __dealloc__(self):
        cdef uint32_t at
        if self.rules.events != NULL:
            for at in range(self.event_count):
                free(self.rules.events[at].names.entries)
                free(self.rules.events[at].properties)
        free(self.rules.events)
        free(self.rules.names.entries)
