"""The driver's own tests: `python -m unittest` in the folder above, with `../python-sdk` on PYTHONPATH."""
