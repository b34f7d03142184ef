"""Replies that a model may give, by name: what is asked of each is in tests/integration/test_replies.py."""

from tests.replies import code, forms, plans

REPLIES = {**forms.REPLIES, **plans.REPLIES, **code.REPLIES}
FINAL = forms.FINAL
"""Names of those that are real final answers: no others may end a session."""
