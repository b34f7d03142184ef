"""What a person reads: the leaderboard, the live view, the report of a session."""
