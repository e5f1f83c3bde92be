"""The repertoire: ordinary custom, and every row of the catalogue of cheats with the honest people who look like it."""
