"""Train one candidate inside a runner and take over what it hands back, trusting none of it."""
