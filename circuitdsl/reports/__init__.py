"""Evidence → words, files and comparisons. Nothing here measures or judges."""
