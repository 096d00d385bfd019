"""The HTTP service: recommendations of trained runs with live histories, products and rules."""
