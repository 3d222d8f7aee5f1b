# Arguments arrive as they are, whatever they hold.
# args: ["a b", "", "--x=1", "$HOME", "*", "é", "a\nb", "'"]
# result: ['a b', '', '--x=1', '$HOME', '*', 'é', 'a\nb', "'"]
import sys

sys.argv[1:]
