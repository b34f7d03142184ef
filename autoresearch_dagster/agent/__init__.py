"""The agent: durable plans in code mode, its tools, the scripted researcher and the loop that drives them."""
