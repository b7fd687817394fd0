"""Data: docs from CoNLL columns and JSON records, DocBins, BIO tags, and files written whole or not at all.

* `conll` and `records` read files, `span_alignment` puts the tagged pieces of records onto their text;
* `bio_tags` repairs tags, `problems` reports what was wrong;
* `docbin` writes corpus files, `docs` makes docs from docs;
* `files` reads and writes files, `errors` has the base class of all errors.

Nothing is imported here, since modules that need only `errors` or `files` must not load spaCy.
"""
