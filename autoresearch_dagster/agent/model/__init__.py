"""Asking the language model within the bill; the client itself is agent/llm.py."""
