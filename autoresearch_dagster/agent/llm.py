"""Claude over the network: the only module that uses anthropic, and only once somebody is asked.

What is covered: no retries but ours, explicit timeouts, a key that is sent in one header and shown nowhere, no
credentials but that key, no redirects, no reply that is not whole.  Proxies of the environment are used.
What is not covered: ANTHROPIC_CUSTOM_HEADERS, which the library adds to every request, as its owner wants.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from autoresearch_dagster.agent.model import wire
from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import ModelFault, UserError
from autoresearch_dagster.core.settings import MODEL_ADDRESS_VARIABLE, MODEL_KEY_VARIABLE

if TYPE_CHECKING:
    import anthropic
    import httpx2

ADDRESS = "https://api.anthropic.com"
BUSY = frozenset({408, 409, 429})
MAYBE_CHARGED = frozenset({408, 504, 524})
"""Somebody gave up waiting, perhaps for an answer that came."""
REFUSED = frozenset({401, 403})
TOO_LONG = ("prompt is too long", "exceed context limit", "exceeds the context window", "request too large")
"""How the API says with status 400 that the conversation is too long; it has no type of error for that."""
STREAM = "text/event-stream"
RENEW = f"set {MODEL_KEY_VARIABLE} or run `autoresearch key set` with a key that is valid"


class Claude:
    """One model, asked with one key.  May be shared by threads."""

    def __init__(
        self, model: str, key: SecretStr, address: str = "", *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Name the model, the key and the server (empty: Anthropic's own); nothing is sent yet.

        Raises:
            UserError: the model has no name, the key cannot be one, or the address is none.
        """
        if not model.strip():
            raise UserError(
                f"No model is named; start the session with a `model`, as in --model {limits.DEFAULT_MODEL}."
            )
        secret = key.get_secret_value()
        if not secret or not all("!" <= character <= "~" for character in secret):
            raise UserError(f"The model key is none: one line without blanks is expected; {RENEW}.")
        place = urlsplit(address or ADDRESS)
        if place.scheme not in {"http", "https"} or not place.hostname:
            raise UserError(f"{MODEL_ADDRESS_VARIABLE} is no http(s) address; correct or unset it.")
        self.model = model
        self._key = key
        self._address = address or ADDRESS
        self._host = place.hostname
        self._sleep = sleep

    def close(self) -> None:
        """Give the connections back; the next request makes new ones."""
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    def check(self) -> None:
        """Find out, free of charge, whether the key is accepted and the model known.

        A server that does not answer this question passes: the first request will tell.

        Raises:
            UserError: the key is refused, the model is not known, or nothing answers.
        """
        waits = iter(limits.MODEL_CHECK_WAITS_S)
        while not self._answers():
            wait_s = next(waits, None)
            if wait_s is None:
                raise UserError(
                    f"The model's server {self._host} cannot be reached; check the network, the proxy settings "
                    f"and {MODEL_ADDRESS_VARIABLE}."
                )
            self._sleep(wait_s)

    def _answers(self) -> bool:
        """Ask for the model; False: no connection.

        Raises:
            UserError: the answer is that this key or this model will not do.
        """
        import anthropic

        try:
            self._client.with_options(timeout=limits.MODEL_COUNT_S).models.retrieve(self.model)
        except anthropic.APIConnectionError:
            return False
        except anthropic.APIStatusError as fault:
            if fault.status_code in REFUSED:
                raise UserError(f"The model key is refused ({self._told(fault)}); {RENEW}.") from None
            if self._unknown(fault):
                raise UserError(
                    f"{self._host} knows no model {self.model!r}; start the session with another `model`."
                ) from None
        except anthropic.AnthropicError:
            pass  # an answer that is none of the API's: the first request will tell
        return True

    def count(self, request: wire.Request) -> int | None:
        """Return how many tokens a request has, as the server estimates; None where it cannot say."""
        import anthropic

        body = request.body(self.model)
        try:
            client = self._client.with_options(timeout=limits.MODEL_COUNT_S)
            found = client.messages.count_tokens(
                model=self.model, messages=body["messages"], system=body.get("system", anthropic.omit)
            )
        except anthropic.AnthropicError:
            return None
        tokens: object = getattr(found, "input_tokens", None)
        return tokens if isinstance(tokens, int) and tokens >= 0 else None

    def send(self, request: wire.Request) -> wire.Answer:
        """Send one request, once, and return the whole reply.

        Raises:
            ModelFault: there is no whole reply.
        """
        import anthropic
        import httpx2

        body = request.body(self.model)
        begun = time.monotonic()
        try:
            with self._client.messages.with_streaming_response.create(**body, stream=True) as response:
                if not response.headers.get("content-type", "").startswith(STREAM):
                    raise ModelFault(
                        f"{self._host} did not answer as the model's server does; check {MODEL_ADDRESS_VARIABLE} "
                        "and the proxy settings.",
                        "fatal",
                        possibly_charged=True,
                    )
                secret = self._key.get_secret_value()  # a server may repeat it in the middle of a reply, too
                answer = wire.read_stream(
                    (data.replace(secret, "***") for data in _data(response.http_response)),
                    lambda: time.monotonic() - begun > limits.MODEL_REPLY_S,
                )
        except anthropic.APIStatusError as fault:
            raise self._status_fault(fault) from None
        except anthropic.APIConnectionError as fault:
            raise self._connection_fault(fault) from None
        except (anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError, UnicodeDecodeError) as fault:
            told = self._clean(f"{type(fault).__name__}: {fault}")
            raise ModelFault(f"The model's reply was cut off ({told}).", "cut", possibly_charged=True) from None
        return wire.Answer(
            answer.text,
            answer.stop_reason,
            answer.usage,
            answer.message_id,
            answer.model,
            round(time.monotonic() - begun, 3),
        )

    @cached_property
    def _client(self) -> "anthropic.Anthropic":
        """The library's client.

        A key that is passed keeps it from looking for other credentials; redirects would carry the conversation
        elsewhere; traces are the journal's business.
        """
        import anthropic

        timeout = anthropic.Timeout(limits.MODEL_SILENT_S, connect=limits.MODEL_CONNECT_S)
        return anthropic.Anthropic(
            api_key=self._key.get_secret_value(),
            base_url=self._address,
            timeout=timeout,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultHttpxClient(follow_redirects=False, timeout=timeout),
        )

    def _status_fault(self, fault: "anthropic.APIStatusError") -> ModelFault:
        status, told = fault.status_code, self._told(fault)
        said = (fault.api_message or "").lower()
        if status in BUSY or status >= 500:
            return ModelFault(
                f"The model's server is busy ({told}).",
                "busy",
                retry_after_s=wire.retry_after_s(fault.response.headers.get("retry-after", ""), datetime.now(UTC)),
                possibly_charged=status in MAYBE_CHARGED,
            )
        if status == 413 or (status == 400 and any(words in said for words in TOO_LONG)):
            return ModelFault(f"The conversation is too long for the model ({told}).", "too_long")
        if status in REFUSED:
            return ModelFault(f"The model key is refused ({told}); {RENEW}.", "fatal")
        if self._unknown(fault):
            return ModelFault(
                f"{self._host} knows no model {self.model!r} ({told}); resume the session with another `model`.",
                "fatal",
            )
        return ModelFault(f"The model's server refused the request ({told}); correct what it names.", "fatal")

    def _connection_fault(self, fault: "anthropic.APIConnectionError") -> ModelFault:
        """Tell a connection that never stood, which costs nothing, from one that broke before an answer came."""
        import httpx2

        cause = fault.__cause__
        told = self._clean(f"{type(cause).__name__}: {cause}")
        never_stood = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError
        if isinstance(cause, never_stood):
            return ModelFault(f"The model's server {self._host} cannot be reached ({told}).", "busy")
        return ModelFault(f"The connection to the model broke ({told}).", "cut", possibly_charged=True)

    @staticmethod
    def _unknown(fault: "anthropic.APIStatusError") -> bool:
        """Whether the API says that there is no such model; a server without the route says less."""
        return fault.status_code == 404 and fault.type == "not_found_error"

    def _told(self, fault: "anthropic.APIStatusError") -> str:
        """What the server said: the status, and type and text of the error where it is the API's."""
        parts = (fault.type, fault.api_message)
        return self._clean(" ".join([str(fault.status_code), *(part for part in parts if isinstance(part, str))]))

    def _clean(self, text: str) -> str:
        """One short printable line without the key, whatever a server repeats."""
        return printable_line(text.replace(self._key.get_secret_value(), "***"), limits.MODEL_MESSAGE_CHARS)


def _data(response: "httpx2.Response") -> Iterator[str]:
    """The data of a reply's server-sent events."""
    import anthropic

    return (event.data for event in anthropic.Stream.raw_events(response) if event.data)
