"""The plan as its tables say it: a pydantic model per table, before they are checked together."""
