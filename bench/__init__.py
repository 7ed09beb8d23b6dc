"""What the zoo costs in time: `python -m bench [NAME ...]`, the published pipeline and ours side by side."""
