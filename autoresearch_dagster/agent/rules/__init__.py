"""The rules that the platform keeps at a save and at a launch."""
