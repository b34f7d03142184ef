"""Writes the list of tools into docs/agent.md, from the definition that prompt, stubs and dispatcher share."""

from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from autoresearch_dagster.core.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "agent.md"
BEGIN, END = "<!-- tools: written by `python -m tests.agent_page` -->", "<!-- end of tools -->"


def with_tools(text: str) -> str:
    """The page with the list as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{TOOLBOX.markdown.strip()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(with_tools(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
