import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.agent.plan_text import FinalAnswer, Plan, Unusable, read_reply


@pytest.mark.parametrize("tag", ["python", "py", "python3", "Python", ""])
def test_one_block_is_the_plan(tag):
    assert read_reply(f"Look:\n```{tag}\nx = 1\nx\n```\nDone.", "end_turn") == Plan("x = 1\nx")


def test_no_python_block_is_the_final_answer():
    text = 'Best: 2.5\n```json\n{"a": 1}\n```'
    assert read_reply(text, "end_turn") == FinalAnswer(text)


def test_fence_marks_inside_a_line_do_not_cut_the_code():
    code = 's = "a ``` b"\nt = "```python"\ns'
    assert read_reply(f"```python\n{code}\n```", "end_turn") == Plan(code)


def test_longer_fences_hold_shorter_ones():
    code = 's = """\n```\n"""\ns'
    assert read_reply(f"````python\n{code}\n````", "end_turn") == Plan(code)


@pytest.mark.parametrize("stop", [None, "max_tokens"])
@pytest.mark.parametrize("text", ["All done.", "```python\nx\n```"])
def test_a_cut_reply_is_never_used(stop, text):
    assert isinstance(read_reply(text, stop), Unusable)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1",
        "```python\nx\n```\n```python\ny\n```",
        "```python\n```",
        "",
        "```python\n" + "#" * 300_000 + "\n```",
    ],
)
def test_unusable_replies_are_error_observations(text):
    assert isinstance(read_reply(text, "end_turn"), Unusable)


LINES = st.text(st.characters(exclude_characters="\r"), max_size=200)


@given(LINES.filter(lambda text: "```" not in text and "~~~" not in text), st.sampled_from(["end_turn", None]))
def test_text_without_a_fence_is_never_a_plan(text, stop):
    assert isinstance(read_reply(text, stop), FinalAnswer | Unusable)


@given(LINES, st.sampled_from(["`````", "~~~~"]), st.sampled_from(["python", "py", ""]))
def test_a_single_block_gives_back_its_code(code, marks, tag):
    code = "x = 1\n" + code.replace(marks, "")
    assert read_reply(f"I try:\n{marks}{tag}\n{code}\n{marks}\nSo.", "end_turn") == Plan(code)


@pytest.mark.parametrize("stop", ["refusal", "tool_use", "pause_turn", "brand_new"])
def test_only_a_reply_that_ended_by_itself_is_used(stop):
    for text in ("Done.", "```python\nx\n```"):
        assert isinstance(read_reply(text, stop), Unusable)
