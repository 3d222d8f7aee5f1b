# A program that ends itself passes on its code.
# status: exited 3
# stdout:
# |leaving
import sys

print("leaving")
sys.exit(3)
