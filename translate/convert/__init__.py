"""Other people's checkpoints -> domain folders."""
