"""Training of the networks that flame_fit ships."""
