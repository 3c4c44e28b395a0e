"""Models: shapes and tokenizers without torch, loading, one small file a family, and the guards at load.

Nothing is imported here, so that `shapes` and `tokenizers` stay free of torch.
"""
