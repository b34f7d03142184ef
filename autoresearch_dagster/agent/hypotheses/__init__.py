"""What was predicted, and how true it came."""
