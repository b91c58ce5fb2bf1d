"""The texts and n-best lists of `lmmix demo`; installed as `lmmix.demo_data`."""
