"""The LightningModule, and what is decided per replica while it trains."""
