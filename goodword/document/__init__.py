"""Campaign documents as people write them: YAML or JSON text read and written, and the ready-made ones."""
