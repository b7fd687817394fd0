"""Speed and memory, measured in ratios: everything that is compared runs in turns in one process."""
