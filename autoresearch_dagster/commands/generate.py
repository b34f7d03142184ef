"""`generate`: text of the champion's model, which is untrusted and runs sealed."""

import sys
from typing import Annotated

from cyclopts import Parameter

from autoresearch_dagster.commands.console import DONE, Json, how_to_go_on, print_json, say
from autoresearch_dagster.core.limits import GENERATE_DEFAULT_TOKENS
from autoresearch_dagster.core.settings import load_settings


def generate(
    key: Annotated[
        str, Parameter(help="Memory key or id of a session, for its champion; or the key of an experiment.")
    ],
    prompt: str,
    *,
    max_tokens: int = GENERATE_DEFAULT_TOKENS,
    temperature: float = 0.8,
    seed: int = 0,
    json: Json = False,
) -> int:
    """Let the champion's model go on with a text, in a sealed container.

    An agent wrote the model and its code: it runs with the seals of a scoring, and its text is untrusted. The small
    models of `demo` and `workshop` write words, not sense.

    Args:
        key: Whose model.
        prompt: How the text begins; `-` reads it from standard input.
        max_tokens: Tokens to write at most; it ends sooner where the model ends the document.
        temperature: 0 takes the most likely token each time.
        seed: The same seed gives the same text.
        json: Print JSON for programs.

    Example:
        autoresearch generate my-research "def read(path):"
        autoresearch generate s01_d02_e05 "Once" --max-tokens 50 --temperature 0
    """
    from autoresearch_dagster.containers.escape import readable
    from autoresearch_dagster.experiments.generate import Sampling, check, generate_text, source_of
    from autoresearch_dagster.store.store import open_store

    settings = load_settings()
    prompt = sys.stdin.read() if prompt == "-" else prompt
    sampling = Sampling(max_tokens, temperature, seed)
    check(prompt, sampling)
    source = source_of(open_store(settings), key)
    say(f"{source.key} {source.experiment.planned.title}: what follows was written by an untrusted model.")
    pieces: list[str] = []
    with how_to_go_on("Nothing of it is kept; the same command begins anew."):
        for piece in generate_text(settings, source, prompt, sampling, say):
            pieces.append(piece)
            if not json:
                sys.stdout.write(readable(piece))
                sys.stdout.flush()
    if json:
        print_json({"key": source.key, "prompt": prompt, "seed": seed, "text": "".join(pieces), "untrusted": True})
    else:
        sys.stdout.write("\n")
    return DONE
