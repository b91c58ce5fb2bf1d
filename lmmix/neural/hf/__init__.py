"""Hugging Face models from a local folder."""
