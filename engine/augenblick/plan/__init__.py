"""The plan: its model, conditions, checks and the compiler to the kernel's program."""
