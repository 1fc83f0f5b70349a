"""The demo city: four departments, each application a real database or drop folder, and a day that passes in them."""

from adapters.demo.scene import Demo

__all__ = ["Demo"]
