"""Any server with OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, `transformers serve`, ..."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from time import perf_counter, time
from typing import Any

from .base import BackendRefusedError, ChatRequest, NoReplyError, Reply, RetryableError

KEY_VARIABLE = "OPENAI_API_KEY"
COMPLETIONS_PATH = "/chat/completions"
# bad key, no credit, no permission, no such model or path
FATAL_STATUSES = {401, 402, 403, 404}
# something is wrong with the request itself
BAD_REQUEST_STATUSES = {400, 413, 415, 422}
NO_CREDIT = "insufficient_quota"
MAX_SHOWN = 300
# what a request can do without or say in another way, and words by which error messages name it
FIELD_PATTERNS = {
    "schema": ("response_format", "json_schema", "schema"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
    "system": ("system role", "role: system", "roles must alternate"),
}


class ServerCapabilities:
    """What one server has been found not to support, and how to write requests for it.

    Servers differ: some take no schema, newer models of OpenAI want the maximum length under another name and no
    temperature, and Gemma has no system role.

    Attributes:
        unsupported: Keys of `FIELD_PATTERNS` that this server does not take.
    """

    def __init__(self) -> None:
        self.unsupported: frozenset[str] = frozenset()
        self._takes_schemas = False

    def body(self, request: ChatRequest, unsupported: frozenset[str]) -> dict[str, Any]:
        """Write a request as the protocol has it.

        Args:
            request: What to ask.
            unsupported: Keys of `FIELD_PATTERNS` to leave out or to say in another way.

        Returns:
            The body without the model's name.
        """
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        if "system" in unsupported and messages[0]["role"] == "system" and len(messages) > 1:
            messages[1]["content"] = f"{messages[0]['content']}\n\n{messages[1]['content']}"
            del messages[0]
        body: dict[str, Any] = {"messages": messages}
        body["max_completion_tokens" if "max_tokens" in unsupported else "max_tokens"] = request.max_tokens
        if "temperature" not in unsupported:
            body["temperature"] = request.temperature
        if request.schema is not None and "schema" not in unsupported:
            schema = {"name": "reply", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def diagnose(self, message: str, request: ChatRequest, unsupported: frozenset[str]) -> str | None:
        """Find what to leave out of a request that the server did not take.

        A message that names nothing may be about the schema, as long as the server has taken none.

        Args:
            message: The server's error message.
            request: What was asked.
            unsupported: What has been left out already.

        Returns:
            A key of `FIELD_PATTERNS`; None where nothing is left to try.
        """
        lower = message.lower()
        for field, patterns in FIELD_PATTERNS.items():
            sent = field not in unsupported and (field != "schema" or request.schema is not None)
            if sent and any(pattern in lower for pattern in patterns):
                return field
        may_be_schema = request.schema is not None and "schema" not in unsupported and not self._takes_schemas
        return "schema" if may_be_schema else None

    def record_success(self, request: ChatRequest, unsupported: frozenset[str]) -> None:
        """Remember that the server has answered a request without what is `unsupported`."""
        self.unsupported |= unsupported
        self._takes_schemas |= request.schema is not None and "schema" not in unsupported


class OpenAIBackend:
    """A model behind an OpenAI-compatible server, see https://platform.openai.com/docs/api-reference/chat.

    The key is read from the environment for each use. It is in no message and no attribute, whatever the server says
    back.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        key_variable: str = KEY_VARIABLE,
        timeout: float = 120.0,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            model: The server's name for the model.
            base_url: Address of the server, up to and with `/v1`; None for OpenAI's own, or the one in
                OPENAI_BASE_URL.
            key_variable: Environment variable with the key. A server at `base_url` may need none.
            timeout: Seconds to wait for a complete reply.

        Raises:
            BackendRefusedError: If `openai` is not installed, a key is missing or cannot be one, or the address
                cannot be used.
        """
        try:
            import openai
        except ImportError as error:
            raise BackendRefusedError(
                'Asking a server needs openai: `pip install "spacy_llama_ner[llm]"`.'
            ) from error
        self._openai = openai
        self.model = model
        self._timeout = timeout
        self._capabilities = ServerCapabilities()
        self._was_reached = False
        self._key_variable = key_variable
        if not self._key() and base_url is None and not os.environ.get("OPENAI_BASE_URL"):
            raise BackendRefusedError(
                f"OpenAI's server needs a key, and the environment variable {key_variable} is empty. Put the key "
                "there, or give the address of another server."
            )
        if not re.fullmatch(r"[!-~]*", self._key()):
            raise BackendRefusedError(
                f"The environment variable {key_variable} has characters that no key has. Set it to the key alone."
            )
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
            raise BackendRefusedError(
                self._mask_and_shorten(f"The address {base_url!r} cannot be used: {error}")
            ) from None

    async def complete(self, request: ChatRequest) -> Reply:
        """Get one reply, see `Backend.complete`. What the server does not support is left out from then on."""
        reply = await self._negotiate(request)
        # raised here, where no variable holds what the server said: it may repeat the key
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _negotiate(self, request: ChatRequest) -> Reply | Exception:
        """Send the request, with less and less of what the server does not support."""
        unsupported = self._capabilities.unsupported
        while True:
            try:
                reply = await self._send(self._capabilities.body(request, unsupported))
            except self._openai.APIStatusError as error:
                message = self._mask_and_shorten(_error_message(error))
                field = self._capabilities.diagnose(message, request, unsupported)
                if error.status_code not in BAD_REQUEST_STATUSES or field is None:
                    return self._status_error(error, message)
                unsupported |= {field}
            else:
                self._capabilities.record_success(request, unsupported)
                return reply

    async def _send(self, body: dict[str, Any]) -> Reply | Exception:
        start = perf_counter()
        try:
            # the client's typed method takes twice as long, to validate what needs no validation
            response = self._client.post(COMPLETIONS_PATH, cast_to=str, body={"model": self.model, **body})
            content = await asyncio.wait_for(response, self._timeout)
        except (asyncio.TimeoutError, self._openai.APITimeoutError):
            return RetryableError("time-out", f"no whole reply within {self._timeout:g} s")
        except self._openai.APIConnectionError as error:
            return self._connection_error(error)
        self._was_reached = True
        try:
            reply = _parse_completion(json.loads(content), perf_counter() - start)
            return replace(reply, text=self._mask(reply.text))
        except (ValueError, TypeError, LookupError, AttributeError):
            return RetryableError("no chat completion", repr(self._mask_and_shorten(content)))

    def _connection_error(self, error: Exception) -> Exception:
        cause = error.__cause__
        detail = self._mask_and_shorten(f"{type(cause).__name__}: {cause}" if cause else str(error))
        if not self._was_reached and type(cause).__name__ == "ConnectError":
            return BackendRefusedError(
                f"There is no server at {self._client.base_url} ({detail}). Start it, or give the right address."
            )
        return RetryableError("connection lost", detail)

    def _status_error(self, error: Any, message: str) -> Exception:
        status = error.status_code
        if status in FATAL_STATUSES or error.code == NO_CREDIT:
            refusal = f"The server at {self._client.base_url} refuses model {self.model!r} (HTTP {status}): {message}"
            if status == 404:
                return BackendRefusedError(f"{refusal} Is that its name, and does the address end in /v1?")
            return BackendRefusedError(f"{refusal} The key is taken from {self._key_variable}.")
        if status in BAD_REQUEST_STATUSES:
            return NoReplyError(f"HTTP {status}: {message}")
        return RetryableError(f"HTTP {status}", message, retry_after=_retry_after(error.response.headers))

    def _key(self) -> str:
        # never kept in a variable or attribute, since tools show these with a traceback
        return os.environ.get(self._key_variable, "").strip()

    def _mask_and_shorten(self, text: str) -> str:
        return self._mask(text)[:MAX_SHOWN]

    def _mask(self, text: str) -> str:
        return text.replace(self._key(), "***") if self._key() else text


def _parse_completion(data: Any, seconds: float) -> Reply:
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


def _error_message(error: Any) -> str:
    """Return the server's own message, on one line."""
    body = error.body
    message = (body.get("message") or body.get("detail") or body) if isinstance(body, dict) else body
    return " ".join(str(message or error.message).split())


def _retry_after(headers: Any) -> float | None:
    """Return the seconds in a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError):
        return None
