"""Watch research that goes on elsewhere: `watch`."""

import time

from autoresearch_dagster.commands.console import DONE, out, say
from autoresearch_dagster.commands.look import NO_SESSION, MemoryKey
from autoresearch_dagster.core.limits import WATCH_LOOK_S
from autoresearch_dagster.core.settings import load_settings


def watch(memory_key: MemoryKey = "") -> int:
    """Watch a session that Dagster or another terminal drives: slots, curves, decisions, cost, time left.

    It only looks: Ctrl-C ends the watching, not the session. It ends by itself when the session is paused or done.

    Args:
        memory_key: The session.

    Example:
        autoresearch watch
        autoresearch watch my-research
    """
    from autoresearch_dagster.experiments.overview import find
    from autoresearch_dagster.experiments.watching import Watch
    from autoresearch_dagster.reports.live import LiveView
    from autoresearch_dagster.reports.standings import verdict
    from autoresearch_dagster.reports.story import Story
    from autoresearch_dagster.store.store import open_store

    settings = load_settings()
    store = open_store(settings)
    found = find(store, memory_key)
    if found is None:
        out.print(NO_SESSION)
        return DONE
    watched, story = Watch(settings, store, found.session), Story(out)
    state = watched.state()
    story.know(state)
    say(f"{state.config.memory_key} ({state.id}) is {state.status}.")
    try:
        with LiveView(watched, out, watched.pulse):
            while state.status == "active":
                time.sleep(WATCH_LOOK_S)
                state = watched.state()
                story.tell(state)
    except KeyboardInterrupt:
        say(f"Not watched any more; the session goes on. `autoresearch pause {state.config.memory_key}` pauses it.")
        raise
    say(f"{state.config.memory_key} is {state.status}: {state.reason}. {verdict(state)}")
    return DONE
