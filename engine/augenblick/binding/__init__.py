"""The one door to the native modules: programs and bytes in, streams and results out."""
