"""The plan as its tables say it: one pydantic model per table, before anything is checked together."""
