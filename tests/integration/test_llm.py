"""The Claude client against the Messages API on loopback: each fault has its kind, the key stays in its header."""

import logging
import threading
from datetime import UTC, datetime

import anthropic
import pytest
from pydantic import SecretStr

from autoresearch_dagster.agent.llm import Claude
from autoresearch_dagster.agent.model import wire
from autoresearch_dagster.agent.model.wire import Request, retry_after_s
from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.core.errors import ModelFault, UserError
from autoresearch_dagster.core.settings import environment_address
from tests.anthropic_script import MODEL, BrokenOff, Cut, Raw, Refused, Reply, Slow
from tests.anthropic_server import AnthropicServer

KEY = "sk-ant-a-key-of-the-tests-0123456789"
REQUEST = Request("You are a researcher.", (Message("user", "Begin."),), 1000)
CACHED = {"type": "ephemeral", "ttl": "1h"}


def claude(server, model=MODEL, **changes):
    return Claude(model, SecretStr(KEY), server.url, sleep=lambda _: None, **changes)


def fault_of(step):
    """What one sending makes of a step, and how many requests it took."""
    with AnthropicServer([step]) as server, pytest.raises(ModelFault) as caught:
        claude(server).send(REQUEST)
    assert len(server.sent) == 1
    assert KEY not in str(caught.value)
    return caught.value


def test_a_reply_comes_whole_with_what_it_used():
    text = "Grüße: a reply that is streamed in several pieces, and put together again.\n" * 3
    with AnthropicServer([text]) as server:
        answer = claude(server).send(REQUEST)
    assert (answer.text, answer.stop_reason, answer.model) == (text, "end_turn", MODEL)
    assert answer.message_id.startswith("msg_")
    assert answer.usage.output_tokens == len(text) // 4 + 1
    assert answer.duration_s > 0


def test_the_request_is_streamed_and_says_the_model_and_the_most_tokens():
    with AnthropicServer() as server:
        claude(server).send(REQUEST)
    body = server.sent[0].body
    assert (body["model"], body["max_tokens"], body["stream"]) == (MODEL, 1000, True)


def test_messages_of_one_role_become_one_and_empty_ones_are_marked():
    messages = [Message("user", "a"), Message("user", " \n"), Message("assistant", ""), Message("user", "b")]
    with AnthropicServer() as server:
        claude(server).send(Request("", messages, 10, cache=False))
    block = [{"type": "text", "text": text} for text in ("a", wire.NO_TEXT, "b")]
    assert server.sent[0].body["messages"] == [
        {"role": "user", "content": block[:2]},
        {"role": "assistant", "content": block[1:2]},
        {"role": "user", "content": block[2:]},
    ]
    assert "system" not in server.sent[0].body


def test_system_prompt_and_end_of_the_conversation_are_cached_for_an_hour():
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("user", "d")]
    with AnthropicServer() as server:
        claude(server).send(Request("system", messages, 10))
    body = server.sent[0].body
    assert [block.get("cache_control") for block in body["system"]] == [CACHED]
    controls = [block.get("cache_control") for message in body["messages"] for block in message["content"]]
    assert controls == [None, None, None, CACHED]


def test_the_next_request_reads_what_the_last_one_cached_and_writes_only_what_is_new():
    first = [Message("user", "x" * 400)]
    later = [*first, Message("assistant", "y" * 400), Message("user", "z" * 400)]
    with AnthropicServer() as server:
        one = claude(server).send(Request("s" * 400, first, 10)).usage
        two = claude(server).send(Request("s" * 400, later, 10)).usage
    assert (one.cache_write_1h_tokens, one.cache_read_tokens, one.input_tokens) == (202, 0, 0)
    assert (two.cache_write_1h_tokens, two.cache_read_tokens, two.input_tokens) == (202, 202, 0)


def test_cache_writes_are_told_apart_and_unnamed_ones_count_as_the_dearest():
    both = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}
    usages = [
        {"cache_creation_input_tokens": 7, "cache_creation": both},
        {"cache_creation_input_tokens": 7, "cache_creation": None},
    ]
    with AnthropicServer([Reply("x", usage=usage) for usage in usages]) as server:
        found = [claude(server).send(REQUEST).usage for _ in usages]
    assert [(one.cache_write_5m_tokens, one.cache_write_1h_tokens) for one in found] == [(2, 5), (0, 7)]


def test_only_text_is_kept_and_a_call_of_a_tool_is_an_empty_text_with_its_stop_reason():
    tool = {"type": "tool_use", "id": "t", "name": "run", "input": {}}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    mixed = Reply(blocks=[thinking, {"type": "text", "text": "one "}, tool, {"type": "text", "text": "two"}])
    with AnthropicServer([Reply(blocks=[tool], stop_reason="tool_use"), mixed]) as server:
        called, told = claude(server).send(REQUEST), claude(server).send(REQUEST)
    assert (called.text, called.stop_reason) == ("", "tool_use")
    assert told.text == "one two"


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_any_reason_to_stop_makes_a_whole_reply(reason):
    with AnthropicServer([Reply("half a pl", stop_reason=reason)]) as server:
        assert claude(server).send(REQUEST).stop_reason == reason


@pytest.mark.parametrize(
    ("step", "kind", "charged"),
    [
        (Refused(408, "timeout_error", "slow"), "busy", True),
        (Refused(409, "conflict_error", "again"), "busy", False),
        (Refused(429, "rate_limit_error", "slow down"), "busy", False),
        (Refused(500, "api_error", "oh"), "busy", False),
        (Refused(502), "busy", False),
        (Refused(504), "busy", True),
        (Refused(529, "overloaded_error", "Overloaded"), "busy", False),
        (BrokenOff(at_once=True), "busy", False),
        (BrokenOff(), "cut", True),
        (Cut("at once"), "cut", True),
        (Cut("mid-stream"), "cut", True),
        (Cut("mid-stream", plain=True), "cut", True),
        (Cut("before message_delta"), "cut", True),
        (Cut("before message_delta", plain=True), "cut", True),
        (Raw(b"event: message_start\ndata: {no json\n\n"), "cut", True),
        (Raw(b""), "cut", True),
        (Refused(400, "invalid_request_error", "max_tokens: too many"), "fatal", False),
        (Refused(401, "authentication_error", "invalid x-api-key"), "fatal", False),
        (Refused(402, "billing_error", "no credit"), "fatal", False),
        (Refused(403, "permission_error", "not yours"), "fatal", False),
        (Refused(404, "not_found_error", "model: x"), "fatal", False),
        (Refused(302), "fatal", False),
        (Refused(413, "request_too_large", "too large"), "too_long", False),
        (
            Refused(400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
            "too_long",
            False,
        ),
        (
            Refused(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
            "too_long",
            False,
        ),
        (Raw(b"<html>Log in first</html>", "text/html"), "fatal", True),
    ],
)
def test_every_fault_has_its_kind_and_says_whether_it_may_have_been_charged(step, kind, charged):
    fault = fault_of(step)
    assert (fault.kind, fault.possibly_charged) == (kind, charged)


def test_a_server_that_is_not_there_is_busy_and_charges_nothing():
    with AnthropicServer() as server:
        pass
    with pytest.raises(ModelFault) as caught:
        claude(server).send(REQUEST)
    assert (caught.value.kind, caught.value.possibly_charged) == ("busy", False)


def test_a_server_that_goes_silent_is_given_up_and_may_have_charged(monkeypatch):
    monkeypatch.setattr("autoresearch_dagster.core.limits.MODEL_SILENT_S", 0.2)
    fault = fault_of(Slow("late", 3))
    assert (fault.kind, fault.possibly_charged) == ("cut", True)


def test_pings_alone_do_not_keep_a_reply_alive():
    pings = ['{"type": "message_start", "message": {}}', *['{"type": "ping"}'] * 5]
    with pytest.raises(ModelFault, match="did not finish") as caught:
        wire.read_stream(pings, iter([False, False, True]).__next__)
    assert (caught.value.kind, caught.value.possibly_charged) == ("cut", True)


def test_a_redirect_is_not_followed():
    with AnthropicServer() as elsewhere, AnthropicServer([Refused(307, location=elsewhere.url)]) as server:
        with pytest.raises(ModelFault):
            claude(server).send(REQUEST)
        assert not elsewhere.requests


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 01 Jan 2031 00:01:40 GMT", 100.0),
        ("Tue, 31 Dec 2030 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_s(header, datetime(2031, 1, 1, tzinfo=UTC)) == seconds


def test_the_wait_that_a_server_asks_for_is_told():
    assert fault_of(Refused(429, "rate_limit_error", "slow down", retry_after="3600")).retry_after_s == 3600


def test_what_a_server_says_is_told_in_one_short_printable_line():
    said = str(fault_of(Refused(400, "invalid_request_error", "bad\n\x1b[2Jthing\u202e " + "x" * 5000)))
    assert "thing" in said or "…" in said
    assert said.isprintable()
    assert len(said) < 500


def test_the_key_is_in_one_header_and_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    with AnthropicServer([Refused(403, "permission_error", f"the key {KEY} may not")]) as server:
        client = claude(server)
        client.check()
        client.count(REQUEST)
        with pytest.raises(ModelFault) as caught:
            client.send(REQUEST)
    assert KEY not in f"{caught.value} {client!r} {vars(client)} {caplog.text}"
    for seen in server.requests:
        assert sum(KEY in value for value in seen.headers.values()) == 1
        assert KEY not in f"{seen.path} {seen.body}"


def test_no_other_credentials_are_used(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another-token")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key")
    with AnthropicServer(key=KEY) as server:
        claude(server).check()
        claude(server).send(REQUEST)
    assert not any("another" in value for seen in server.requests for value in seen.headers.values())


def test_the_address_in_the_environment_is_read_by_the_settings(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", " http://127.0.0.1:1/ ")
    assert environment_address() == "http://127.0.0.1:1/"


def test_the_client_goes_where_it_is_told_and_not_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    with AnthropicServer(["here"]) as server:
        assert claude(server).send(REQUEST).text == "here"


def test_proxies_of_the_environment_are_used(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with AnthropicServer(["through"]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ModelFault):  # it plays no proxy, but the request came to it
            Claude(MODEL, SecretStr(KEY), "http://model.invalid").send(REQUEST)
        assert proxy.requests[0].path == "http://model.invalid/v1/messages"


def test_a_known_model_and_an_accepted_key_pass_the_check_without_a_message():
    with AnthropicServer(key=KEY) as server:
        claude(server).check()
    assert [(seen.method, seen.path) for seen in server.requests] == [("GET", f"/v1/models/{MODEL}")]


def test_a_refused_key_is_told_at_the_check_with_what_to_do():
    with AnthropicServer(key="another") as server, pytest.raises(UserError, match="autoresearch key set") as caught:
        claude(server).check()
    assert KEY not in str(caught.value)


def test_an_unknown_model_is_told_at_the_check():
    with AnthropicServer() as server, pytest.raises(UserError, match="knows no model 'claude-zero'"):
        claude(server, "claude-zero").check()


def test_a_server_that_does_not_answer_the_check_passes_it():
    with AnthropicServer(routes=False) as server:
        claude(server).check()


def test_a_server_that_cannot_be_reached_fails_the_check_after_short_waits():
    with AnthropicServer() as server:
        pass
    waits = []
    with pytest.raises(UserError, match=r"cannot be reached.*ANTHROPIC_BASE_URL"):
        Claude(MODEL, SecretStr(KEY), server.url, sleep=waits.append).check()
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize("address", ["nonsense", "ftp://x", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused_at_once(address):
    with pytest.raises(UserError, match="ANTHROPIC_BASE_URL"):
        Claude(MODEL, SecretStr(KEY), address)


@pytest.mark.parametrize("key", ["", "two words", "gr\u00fcn", "line\nbreak"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_repeated(key):
    with pytest.raises(UserError) as caught:
        Claude(MODEL, SecretStr(key))
    assert not key or key not in str(caught.value)


def test_a_model_without_a_name_is_refused():
    with pytest.raises(UserError, match="No model is named"):
        Claude(" ", SecretStr(KEY))


def test_tokens_are_counted_for_what_would_be_sent_and_nobody_is_asked_to_reply():
    with AnthropicServer() as server:
        assert claude(server).count(REQUEST) == 21 // 4 + 1 + 6 // 4 + 1
    assert not server.sent


def test_where_tokens_cannot_be_counted_the_count_is_none():
    with AnthropicServer(counts=False) as server:
        assert claude(server).count(REQUEST) is None
    assert claude(server).count(REQUEST) is None


def test_a_closed_client_can_ask_again():
    with AnthropicServer(["one", "two"]) as server:
        client = claude(server)
        client.send(REQUEST)
        client.close()
        assert client.send(REQUEST).text == "two"


def test_threads_share_a_client_and_each_has_its_own_answer():
    with AnthropicServer(lambda seen: f"you said {seen.last}") as server:
        client, found = claude(server), {}

        def one(number):
            found[number] = client.send(Request("", (Message("user", str(number)),), 10)).text

        threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: f"you said {number}" for number in range(8)}


def test_the_server_of_the_tests_answers_without_streaming_too():
    with AnthropicServer(["plain"]) as server:
        client = anthropic.Anthropic(api_key=KEY, base_url=server.url)
        message = client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "hi"}])
    assert (message.content[0].text, message.stop_reason) == ("plain", "end_turn")
