"""Words, numbers and errors that every other layer shares; imports nothing of the project."""
