"""Named-entity recognition with bidirectional Llamas, as a spaCy component."""

__version__ = "0.1.0"
