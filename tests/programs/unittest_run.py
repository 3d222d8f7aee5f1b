# Runs unit tests, one of which fails.
# stdout:
# |3 run, 1 failed, 0 errors
import io
import unittest


class Tests(unittest.TestCase):
    def setUp(self):
        self.values = [1, 2, 3]

    def test_sum(self):
        self.assertEqual(sum(self.values), 6)

    def test_raises(self):
        with self.assertRaisesRegex(IndexError, "out of range"):
            self.values[9]

    def test_wrong(self):
        self.assertIn(4, self.values)


suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tests)
outcome = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
print(f"{outcome.testsRun} run, {len(outcome.failures)} failed, {len(outcome.errors)} errors")
