"""Servers and local models that answer prompts."""
