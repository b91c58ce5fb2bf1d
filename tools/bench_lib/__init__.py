"""What `tools/bench` measures, a subject a file."""
