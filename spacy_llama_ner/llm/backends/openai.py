"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, `transformers serve`, ..."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from time import perf_counter, time
from typing import Any

from .base import NoAnswer, Question, Refused, Reply, TryAgain

# what can be left out or said in another way, and the words by which a refusal names it
SAYINGS = {
    "schema": ("response_format", "json_schema", "schema"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
    "system": ("system role", "role: system", "roles must alternate"),
}


class ServerCapabilities:
    """How to put a question to one server.

    Servers differ: some refuse a schema, newer models of OpenAI want the limit under another
    name and no temperature, Gemma has no system role.
    """

    def __init__(self) -> None:
        self.left_out: frozenset[str] = frozenset()
        self._takes_schemas = False

    def body(self, question: Question, left_out: frozenset[str]) -> dict[str, Any]:
        """The request without what is left out, as the protocol names things."""
        messages = [{"role": message.role, "content": message.content} for message in question.messages]
        if "system" in left_out and messages[0]["role"] == "system" and len(messages) > 1:
            messages[1]["content"] = f"{messages[0]['content']}\n\n{messages[1]['content']}"
            del messages[0]
        body: dict[str, Any] = {"messages": messages}
        body["max_completion_tokens" if "max_tokens" in left_out else "max_tokens"] = question.max_tokens
        if "temperature" not in left_out:
            body["temperature"] = question.temperature
        if question.schema is not None and "schema" not in left_out:
            schema = {"name": "reply", "schema": question.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def understand(self, complaint: str, question: Question, left_out: frozenset[str]) -> str | None:
        """What to leave out besides, after the server refused the question with `complaint`; None if nothing.

        A refusal that names nothing may be about the schema, as long as the server has taken none.
        """
        said = complaint.lower()
        for what, words in SAYINGS.items():
            sent = what not in left_out and (what != "schema" or question.schema is not None)
            if sent and any(word in said for word in words):
                return what
        guess = question.schema is not None and "schema" not in left_out and not self._takes_schemas
        return "schema" if guess else None

    def learn(self, question: Question, left_out: frozenset[str]) -> None:
        """The server has answered the question without this."""
        self.left_out |= left_out
        self._takes_schemas |= question.schema is not None and "schema" not in left_out


KEY_VARIABLE = "OPENAI_API_KEY"
PATH = "/chat/completions"
# bad key, no credit, no right to it, no such model or path
REFUSED = {401, 402, 403, 404}
# the request itself is at fault
FAULTY = {400, 413, 415, 422}
NO_CREDIT = "insufficient_quota"
SHOWN = 300


class OpenAIBackend:
    """A model behind an OpenAI-compatible server.

    base_url: the server, up to and with `/v1`; None for OpenAI's own (or that in OPENAI_BASE_URL).
    key_variable: environment variable that holds the key. A server at `base_url` may do without. The key stands in no
        message, whatever the server says back.
    timeout: seconds for a whole reply.

    The protocol: https://platform.openai.com/docs/api-reference/chat.
    Raises: Refused without a key where one is needed, or for an address that is none; ImportError without `openai`.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        key_variable: str = KEY_VARIABLE,
        timeout: float = 120.0,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise ImportError('Asking a server needs openai: `pip install "spacy_llama_ner[llm]"`.') from error
        self._openai = openai
        self.model = model
        self._timeout = timeout
        self._dialect = ServerCapabilities()
        self._heard = False
        self._variable = key_variable
        if not self._key() and base_url is None and not os.environ.get("OPENAI_BASE_URL"):
            raise Refused(
                f"OpenAI's server needs a key, and the environment variable {key_variable} is empty. Put the key "
                "there, or give the address of another server."
            )
        if not re.fullmatch(r"[!-~]*", self._key()):
            raise Refused(f"What is in the environment variable {key_variable} has signs that no key has.")
        try:
            if base_url is not None and not base_url.startswith(("http://", "https://")):
                raise ValueError("it does not begin with http:// or https://")
            self._client = openai.AsyncOpenAI(
                api_key=self._key() or "none",
                base_url=base_url,
                timeout=timeout,
                max_retries=0,
            )
        except Exception as error:
            raise Refused(self._hide(f"The address {base_url!r} cannot be used: {error}")) from None

    async def ask(self, question: Question) -> Reply:
        """See `Backend.ask`. What the server does not understand is left out, and not said again to this server."""
        answer = await self._answer(question)
        # raised here, where nothing is at hand of what the server said: it may repeat the key
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _answer(self, question: Question) -> Reply | Exception:
        left_out = self._dialect.left_out
        while True:
            try:
                answer = await self._exchange(self._dialect.body(question, left_out))
            except self._openai.APIStatusError as error:
                complaint = self._hide(_complaint(error))
                also = self._dialect.understand(complaint, question, left_out)
                if error.status_code not in FAULTY or also is None:
                    return self._judge(error, complaint)
                left_out |= {also}
            else:
                self._dialect.learn(question, left_out)
                return answer

    async def _exchange(self, body: dict[str, Any]) -> Reply | Exception:
        start = perf_counter()
        try:
            # the typed method takes twice as long, to check what needs no check
            request = self._client.post(PATH, cast_to=str, body={"model": self.model, **body})
            said = await asyncio.wait_for(request, self._timeout)
        except (asyncio.TimeoutError, self._openai.APITimeoutError):
            return TryAgain("time-out", f"no whole reply within {self._timeout:g} s")
        except self._openai.APIConnectionError as error:
            return self._no_connection(error)
        self._heard = True
        try:
            reply = _reply(json.loads(said), perf_counter() - start)
            return replace(reply, text=self._mask(reply.text))
        except (ValueError, TypeError, LookupError, AttributeError):
            return TryAgain("no chat completion", repr(self._hide(said)))

    def _no_connection(self, error: Exception) -> Exception:
        cause = error.__cause__
        detail = self._hide(f"{type(cause).__name__}: {cause}" if cause else str(error))
        if not self._heard and type(cause).__name__ == "ConnectError":
            return Refused(
                f"There is no server at {self._client.base_url} ({detail}). Start it, or give the right address."
            )
        return TryAgain("connection lost", detail)

    def _judge(self, error: Any, complaint: str) -> Exception:
        status = error.status_code
        if status in REFUSED or error.code == NO_CREDIT:
            what = f"The server at {self._client.base_url} refuses model {self.model!r} (HTTP {status}): {complaint}"
            missing = "Is that its name, and does the address end in /v1?"
            return Refused(f"{what} {missing if status == 404 else f'The key is taken from {self._variable}.'}")
        if status in FAULTY:
            return NoAnswer(f"HTTP {status}: {complaint}")
        return TryAgain(f"HTTP {status}", complaint, after=_wait_of(error.response.headers))

    def _key(self) -> str:
        # it stands in no variable or attribute, since tools show these with a traceback
        return os.environ.get(self._variable, "").strip()

    def _hide(self, text: str) -> str:
        return self._mask(text)[:SHOWN]

    def _mask(self, text: str) -> str:
        return text.replace(self._key(), "***") if self._key() else text


def _reply(data: Any, seconds: float) -> Reply:
    choice = data["choices"][0]
    text = choice["message"].get("content")
    if not isinstance(text, str | None):
        raise TypeError
    usage = data.get("usage") or {}
    return Reply(
        text=text or "",
        input_tokens=int(usage.get("prompt_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        seconds=round(seconds, 3),
        cut=choice.get("finish_reason") == "length",
    )


def _complaint(error: Any) -> str:
    """What the server says is wrong, on one line."""
    body = error.body
    said = (body.get("message") or body.get("detail") or body) if isinstance(body, dict) else body
    return " ".join(str(said or error.message).split())


def _wait_of(headers: Any) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError):
        return None
