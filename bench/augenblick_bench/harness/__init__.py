"""What every scenario is built of: events, the engine under test, load, recording, reports."""
