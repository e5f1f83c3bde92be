"""Rows and where they are kept. Writes come from the engine alone, through `save`; reads for people are in `query`."""
