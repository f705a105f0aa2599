"""Equal tuning: every model gets the same trials, chosen from on validation, before the training that counts."""
