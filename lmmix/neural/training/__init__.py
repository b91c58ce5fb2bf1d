"""Training of networks: batches, objectives, optimisers, the loop, checkpoints."""
