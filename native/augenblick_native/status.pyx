"""Names of the native statuses; index = status.  They are the `reason` of dead letters."""

STATUS_NAMES = (
    "ok", "truncated", "bad_msgpack", "bad_json", "too_deep", "too_large", "bad_utf8",
    "bad_number", "not_a_map", "no_user", "bad_user", "user_too_long", "no_event", "bad_event",
    "event_too_long", "reserved_event", "unknown_event", "no_time", "bad_time", "time_range",
    "future", "bad_id", "id_too_long", "bad_session", "bad_props", "bad_context", "bad_consent",
    "bad_property", "late", "duplicate", "users_full", "user_full", "gap", "old_incarnation",
    "no_memory",
)

assert len(STATUS_NAMES) == STATUS_COUNT


class ScanError(ValueError):
    """Bytes that no scan can pass: `status` as above, `offset` where the value began."""

    def __init__(self, status: int, offset: int) -> None:
        super().__init__(status, offset)
        self.status = status
        self.offset = offset

    def __str__(self) -> str:
        return f"{STATUS_NAMES[self.status]} at byte {self.offset}"
