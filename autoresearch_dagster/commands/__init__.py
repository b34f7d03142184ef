"""The commands of `autoresearch`, a module for each thing that a person is after."""
