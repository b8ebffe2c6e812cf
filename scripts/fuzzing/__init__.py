"""Parts of the fuzz test of the readers."""
