"""The stages of the pipeline: one module, one DVC stage, `python -m stages.<name>`."""
