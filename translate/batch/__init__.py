"""Many photos at once: find them, name their results, translate in batches, journal every one."""
