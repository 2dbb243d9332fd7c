"""Image-to-image translation with energy-based models."""
