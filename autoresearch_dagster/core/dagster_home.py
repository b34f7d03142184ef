"""Where Dagster keeps its instance, so that bare `dagster` commands and ours share one."""

import os
from pathlib import Path

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings, load_settings

INSTANCE_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
"""


def use_dagster_home(settings: Settings) -> Path:
    """Choose the persistent instance: `DAGSTER_HOME` if it is set, else a folder in the project's home."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(settings.home.resolve() / "dagster")))
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        draft = home / f".dagster.yaml.{os.getpid()}"
        draft.write_text(INSTANCE_YAML, encoding="utf-8")
        draft.replace(home / "dagster.yaml")  # another process may be reading it
    return home


def main() -> None:
    """Write `.env` in the project root: Dagster reads it there.  Run by `make install`."""
    use_dagster_home(load_settings())
    (PROJECT_ROOT / ".env").write_text(f"DAGSTER_HOME={os.environ['DAGSTER_HOME']}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
