from hypothesis import given, strategies as st

from autoresearch_dagster.reports.text import block, one_line


@given(st.text(), st.integers(2, 50))
def test_one_line_is_one_line_and_keeps_its_beginning(text, limit):
    shown = one_line(text, limit)

    assert len(shown) <= limit
    assert shown.isprintable()
    assert one_line(text, 10_000).startswith(shown.removesuffix("…"))


def test_nothing_of_an_escaped_text_is_lost():
    assert one_line("a\x1b[31mb \U000f0000 c", 100) == "a\\x1b[31mb \\U000f0000 c"


def test_a_block_says_how_much_it_leaves_out():
    assert block("1\n2\n3\n4", 2, "| ") == "| 1\n| 2\n| … 2 more lines"
    assert block("1\n2\n", 2, "| ") == "| 1\n| 2"
    assert block("", 2, "| ") == ""
