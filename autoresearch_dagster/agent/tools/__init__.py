"""The functions that plans call, and what carries their calls out."""
