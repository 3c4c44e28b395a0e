"""A `Plan` and a loaded model to numbers: `executor.execute`. Nothing is imported here, so that `codes` comes without torch."""
