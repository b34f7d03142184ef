"""Whatever a stranger wrote, Markdown shows it as text: in sentences, tables, code and blocks."""

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoresearch_dagster.reports.markdown import code, fenced, indented, inside_code, plain

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
quick = settings(max_examples=200, deadline=None)
TEXTS = st.text(st.sampled_from("ab1 .-+=#~`*_[]()<>!|&;\\\t\n\x1b\u202e"), max_size=30) | st.text(max_size=30)
HOSTILE = [
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "~~~ to the end of the page",
    "```",
    "---",
    "===",
    "**bold** _and_ ~~gone~~",
    "![x](https://evil.example/p.png) [click](javascript:alert(1))",
    "<script>alert(1)</script>",
    "&lt;b&gt; &#91;",
    "a | b",
    "ends with \\",
]


def shown(token: Token) -> str:
    """The text of a line, in which nothing is markup."""
    assert {child.type for child in token.children or ()} <= {"text", "text_special"}, token.children
    return "".join(child.content for child in token.children or ())


@quick
@given(TEXTS | st.sampled_from(HOSTILE))
def test_a_text_in_a_sentence_reads_as_it_was_written(text):
    tokens = PARSER.parse(plain(text))
    if not text.strip() or not tokens:
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert shown(tokens[1]).isprintable()
    if text.isascii() and text.isprintable():
        assert shown(tokens[1]) == " ".join(text.split())


@quick
@given(TEXTS | st.sampled_from(HOSTILE))
def test_a_text_in_a_cell_adds_no_column(text):
    tokens = PARSER.parse(f"| a | b |\n|---|---|\n| {plain(text)} | end |")
    cells = [shown(token) for token in tokens if token.type == "inline"]
    assert (len(cells), cells[-1]) == (4, "end")


@quick
@given(TEXTS | st.sampled_from(HOSTILE))
def test_a_text_as_code_ends_no_code(text):
    written = code(text)
    assert written == (f"`{inside_code(text)}`" if text.strip() else "")
    if written:
        (line,) = [token for token in PARSER.parse(f"see {written}, then") if token.type == "inline"]
        assert [child.type for child in line.children or ()] == ["text", "code_inline", "text"]


@quick
@given(TEXTS | st.sampled_from(HOSTILE))
def test_nothing_ends_an_indented_block(text):
    tokens = PARSER.parse(f"Before.\n\n{indented(text)}\n\nAfter.")
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close", "code_block"}


def test_an_indented_block_is_bounded():
    assert indented("a\nb\nc\n", 2) == "    a\n    b\n    … 1 more lines"


@quick
@given(TEXTS | st.sampled_from(HOSTILE))
def test_nothing_closes_the_fence_it_stands_in(text):
    assert [token.type for token in PARSER.parse(fenced(text, "diff"))] == ["fence"]


@pytest.mark.parametrize("write", [plain, code, inside_code, indented, fenced])
def test_no_character_moves_a_cursor_or_turns_the_line(write):
    assert not set("\x1b\u202e") & set(write("a\x1b[2J\u202eb"))
