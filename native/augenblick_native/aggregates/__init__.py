"""One aggregate, one small file: init, add, merge, result on a fixed struct."""
