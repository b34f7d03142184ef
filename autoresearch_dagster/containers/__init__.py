"""Where candidates run: one protocol, a Docker and a local implementation."""
