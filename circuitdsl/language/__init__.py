"""Text to `Document` and back: reading, parsing with every error at once, canonical layout, and how errors are shown."""
