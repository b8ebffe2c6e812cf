"""Training samples of the inpainting network that flame_fit ships."""
