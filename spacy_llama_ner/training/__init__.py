"""What `spacy train` needs besides the components: corpora, callbacks, schedules, a logger, several processes."""
