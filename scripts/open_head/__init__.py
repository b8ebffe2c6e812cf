"""Stages of the build of OpenHead; run by `scripts/build_open_head.py`."""
