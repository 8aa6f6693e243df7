STATUS_NAMES: tuple[str, ...]

class ScanError(ValueError):
    status: int
    offset: int
    def __init__(self, status: int, offset: int) -> None: ...
