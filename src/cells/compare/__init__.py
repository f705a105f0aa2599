"""What records say, side by side. Reads records; never imports a model, nor torch."""
