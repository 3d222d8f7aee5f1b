"""Where older programs import the display classes from."""
