"""What runs at its own pace. It issues commands like anyone else."""
