"""What the zoo costs in time: `python -m bench [NAME ...]`."""
