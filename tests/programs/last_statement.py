# A program that ends in a statement has no result.
x = 5
x += 1
