"""The documentation; docs.scripts makes what is written from code."""
