"""The networks, one architecture a file, and the layers that turn their features into probabilities."""
