"""Measurements of what the gateway says about itself, against data that anyone can check."""
