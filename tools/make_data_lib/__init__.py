"""Helpers of tools/make_data, which rebuilds the data that the project ships."""
