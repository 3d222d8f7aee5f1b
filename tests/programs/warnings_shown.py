# Warnings go to standard error, with the line they are about.
# stderr has: DeprecationWarning: old way
# stderr has: warnings.warn("old way", DeprecationWarning)
import warnings

warnings.simplefilter("always")
warnings.warn("old way", DeprecationWarning)
