# unittest.main() finds the tests of the program itself and exits.
# status: exited 0
# stderr has: Ran 1 test
import unittest


class Tests(unittest.TestCase):
    def test_upper(self):
        self.assertEqual("foo".upper(), "FOO")


if __name__ == "__main__":
    unittest.main()
