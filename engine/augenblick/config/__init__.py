"""Settings: what is equal in the whole cluster, and what each process may have of its own."""
