"""tmp."""


def size_experiments(bench: object, lab: object) -> None:
    """Tmp."""
