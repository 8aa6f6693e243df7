"""Running the engine: on Ray (`cluster`), or in one process."""
