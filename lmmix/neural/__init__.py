"""Small neural language models in PyTorch. Importing this package alone loads no torch; its modules do."""
