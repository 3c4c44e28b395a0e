"""One file a family, found by looking into this folder. Each has a `FAMILY`, an instance of a subclass of `Family`."""
