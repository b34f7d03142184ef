"""Replies of models as they come: good, broken, hostile.  What the agent is told about each is a snapshot."""

from tests.replies import arguments, endings, hostile, prose, sandbox, values
from tests.replies.kinds import Case

CASES: dict[str, Case] = {
    **endings.CASES,
    **prose.CASES,
    **arguments.CASES,
    **sandbox.CASES,
    **values.CASES,
    **hostile.CASES,
}
