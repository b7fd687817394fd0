"""What a server understands of the chat protocol: learned from what it refuses."""

from __future__ import annotations

from typing import Any

from .chat import Question

# what can be left out or said in another way, and the words by which a refusal names it
SAYINGS = {
    "schema": ("response_format", "json_schema", "schema"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
    "system": ("system role", "role: system", "roles must alternate"),
}


class Dialect:
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
