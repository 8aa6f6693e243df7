"""Load generator, scenarios and reports: how fast the engine is, measured from outside."""
