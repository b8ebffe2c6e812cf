"""Parts of `scripts/benchmark.py`: accuracy, ablation, speed, the seed's schedule, scaling."""
