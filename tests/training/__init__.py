"""Tests of `spacy_llama_ner.training`."""
