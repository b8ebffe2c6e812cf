"""Turn photographs into textured, relightable, animatable FLAME heads."""

__version__ = "0.1.0"

__all__ = ["__version__"]
