"""Both networks, their tokenizers and file formats (PyTorch, Hugging Face, GGUF). Imports common to data."""
