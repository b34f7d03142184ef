"""An agent does machine-learning research on a training script while you sleep."""

__version__ = "0.1.0"
