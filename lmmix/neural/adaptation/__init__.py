"""Networks that go on learning from the text that they read: a cache of their features, steps of gradient."""
