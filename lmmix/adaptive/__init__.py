"""Language models that are read off a text as it is: caches of the text at hand, ∞-grams of a training text."""
