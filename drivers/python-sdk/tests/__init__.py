"""The SDK's own tests: `python -m unittest` in the folder above."""
