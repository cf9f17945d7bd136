"""One kit for all that people read: numbers with units, words, tables, pages, pictures."""
