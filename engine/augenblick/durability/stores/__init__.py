"""Where a shard's journal goes; one file per store, its name is the store's."""
