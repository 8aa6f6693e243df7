"""Pure state machines: (stimulus, now) in, effects out."""
