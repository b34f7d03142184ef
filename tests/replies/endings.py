"""How a reply ended, and where its fences stand."""

from tests.replies.kinds import Case, plan

LOOK = 'get_baseline_train_code()["lines"] > 0'
BLOCK = f"```python\n{LOOK}\n```"
HOLDS_FENCE = 'code = """\n```\nx\n```\n"""\nlen(code)'

CASES: dict[str, Case] = {
    "refusal": Case("I cannot help with that.", "refusal"),
    "refusal without text": Case("", "refusal"),
    "refusal after a block": Case(BLOCK, "refusal"),
    "max_tokens without code": Case("I will first look at", "max_tokens"),
    "max_tokens inside code": Case("```python\nx = [1, 2", "max_tokens"),
    "max_tokens after a block": Case(f"{BLOCK}\nThen I", "max_tokens"),
    "no stop reason": Case(BLOCK, None),
    "tool_use without text": Case("", "tool_use"),
    "tool_use with text": Case("I am done.", "tool_use"),
    "pause_turn": Case("I am done.", "pause_turn"),
    "context window exceeded": Case("I am done.", "model_context_window_exceeded"),
    "unknown stop reason": Case("I am done.", "brand_new_reason"),
    "stop_sequence": Case("Nothing beat the baseline.", "stop_sequence", final=True),
    "unclosed fence": Case(f"```python\n{LOOK}"),
    "unclosed text fence": Case("Done.\n```text\n2.1"),
    "closed by too few marks": Case(f"````python\n{LOOK}\n```"),
    "two blocks": Case(f"{BLOCK}\nand\n{BLOCK}"),
    "python and json": Case(f'{BLOCK}\n```json\n{{"a": 1}}\n```'),
    "tag python3": plan(LOOK, "python3"),
    "tag Python": plan(LOOK, "Python"),
    "tag py": plan(LOOK, "py"),
    "tag in braces": plan(LOOK, "{python}"),
    "tag with attributes": plan(LOOK, 'python title="plan.py"'),
    "bare tag": plan(LOOK, ""),
    "tildes": Case(f"~~~python\n{LOOK}\n~~~"),
    "indented fence": Case(f"  ```python\n  if True:\n      x = 1\n  {LOOK}\n  ```"),
    "fence in a list": Case(f"1. Look:\n\n    ```python\n    {LOOK}\n    ```"),
    "fence indented by a tab": Case(f"\t```python\n\t{LOOK}\n\t```"),
    "fence in a string of the plan": plan(HOLDS_FENCE),
    "longer fence around fences": Case(f"````python\n{HOLDS_FENCE}\n````"),
    "nested fences": Case(f"```markdown\n{BLOCK}\n```"),
    "prose after code": Case(f"{BLOCK}\nThis tells me the size."),
    "fence inside a line": Case(f"Run ```python {LOOK} ```"),
    "empty block": plan(""),
    "block of comments": plan("# nothing yet"),
    "CRLF": Case(f"I look.\r\n\r\n```python\r\nx = 1\r\n{LOOK}\r\n```\r\n"),
    "BOM before the fence": Case(f"\ufeff{BLOCK}"),
    "BOM in the code": plan(f"\ufeff{LOOK}"),
    "line separator in a string": plan('len("a\u2028b")'),
}
