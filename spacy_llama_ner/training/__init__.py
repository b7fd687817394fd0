"""What `spacy train` needs besides components: corpus reader, callbacks, schedule, logger, several processes."""
