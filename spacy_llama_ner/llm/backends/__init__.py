"""The models that answer requests: behind an OpenAI-compatible server, or in this process."""
