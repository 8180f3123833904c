"""The parts of ``docs/generate.py``: one module per page, two that all pages use."""
