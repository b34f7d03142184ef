from hypothesis import given, strategies as st

from autoresearch_dagster.containers.escape import printable, printable_line


def test_ordinary_text_is_left_as_it_is():
    assert printable("naïve – 日本 🙂\n\tnext", 100) == "naïve – 日本 🙂\n\tnext"


def test_terminal_control_is_shown_and_not_obeyed():
    assert printable(b"\x1b[2J\rforged\x00\x9b", 100) == "\\x1b[2J\\rforged\\x00\N{REPLACEMENT CHARACTER}"
    assert printable("\x9b31m\u202eabc\u2028", 100) == "\\x9b31m\\u202eabc\\u2028"


def test_a_line_stays_one_line():
    assert printable_line(b" a\n\n  val_bpb 0.1\tnew\r\n", 100) == "a val_bpb 0.1 new\\r"


def test_the_end_is_kept_and_the_cut_is_shown():
    assert printable("abcdef", 6) == "abcdef"
    assert printable("abcdefg", 6) == "… bcdefg"


@given(st.binary(max_size=200) | st.text(max_size=200), st.integers(1, 50))
def test_anything_becomes_printable_and_bounded(data, limit):
    shown = printable(data, limit)

    assert all(c in "\n\t" or c.isprintable() for c in shown)
    assert len(shown) <= limit + len("… ")
