# Tests a small class with unittest: subtests, mocks, skips, failures, and reports the outcome.
# stdout:
# |test_broken (__main__.CartTest.test_broken) ... FAIL
# |test_error (__main__.CartTest.test_error) ... ERROR
# |test_known_fault (__main__.CartTest.test_known_fault) ... expected failure
# |test_logs (__main__.CartTest.test_logs) ... ok
# |test_mail (__main__.CartTest.test_mail) ... ok
# |test_patched (__main__.CartTest.test_patched) ... ok
# |test_quantity (__main__.CartTest.test_quantity) ... ok
# |test_skipped (__main__.CartTest.test_skipped) ... skipped 'not today'
# |test_totals (__main__.CartTest.test_totals) ... ok
# |test_unknown (__main__.CartTest.test_unknown) ... ok
# |test_await (__main__.AsyncTest.test_await) ... ok
# |ERROR: test_error (__main__.CartTest.test_error)
# |ZeroDivisionError: division by zero
# |FAIL: test_broken (__main__.CartTest.test_broken)
# |AssertionError: {'a': [1, 2]} != {'a': [1, 3]}
# |Ran 11 tests
# |FAILED (failures=1, errors=1, skipped=1, expected failures=1)
# |11 1 1 1 1 False
# |CartTest.test_broken | not today
# |True
import io
import unittest
from unittest import mock


class Cart:
    def __init__(self, prices, mailer=None):
        self.prices = prices
        self.mailer = mailer
        self.items = {}

    def add(self, name, quantity=1):
        if name not in self.prices:
            raise KeyError(name)
        if quantity <= 0:
            raise ValueError("quantity must be positive")
        self.items[name] = self.items.get(name, 0) + quantity

    def total(self, discount=0):
        return round(sum(self.prices[n] * q for n, q in self.items.items()) * (1 - discount / 100), 2)

    def checkout(self):
        self.mailer.send("shop@example.org", body=f"total {self.total():.2f}")
        return self.mailer.sent()


class CartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prices = {"tea": 3.5, "cup": 7.25}

    def setUp(self):
        self.cart = Cart(self.prices)
        self.addCleanup(self.cart.items.clear)

    def test_totals(self):
        self.cart.add("tea", 2)
        self.cart.add("cup")
        for discount, expected in ((0, 14.25), (10, 12.83), (100, 0)):
            with self.subTest(discount=discount):
                self.assertEqual(self.cart.total(discount), expected)

    def test_unknown(self):
        with self.assertRaises(KeyError) as caught:
            self.cart.add("gold")
        self.assertEqual(caught.exception.args, ("gold",))

    def test_quantity(self):
        self.assertRaisesRegex(ValueError, "must be positive", self.cart.add, "tea", 0)

    def test_mail(self):
        mailer = mock.Mock()
        mailer.sent.side_effect = [False, True]
        cart = Cart(self.prices, mailer)
        cart.add("tea")
        self.assertFalse(cart.checkout())
        self.assertTrue(cart.checkout())
        mailer.send.assert_called_with("shop@example.org", body="total 3.50")
        self.assertEqual(mailer.send.call_count, 2)

    def test_patched(self):
        with mock.patch.object(Cart, "total", return_value=99) as total:
            self.assertEqual(self.cart.total(5), 99)
        total.assert_called_once_with(5)
        with mock.patch.dict(self.prices, {"gold": 1000}):
            self.cart.add("gold")
        self.assertNotIn("gold", self.prices)

    def test_logs(self):
        import logging

        with self.assertLogs("cart", "WARNING") as logs:
            logging.getLogger("cart").warning("low stock of %s", "tea")
        self.assertEqual(logs.output, ["WARNING:cart:low stock of tea"])

    @unittest.skip("not today")
    def test_skipped(self):
        self.fail()

    @unittest.expectedFailure
    def test_known_fault(self):
        self.assertAlmostEqual(self.cart.total(), 0.5)

    def test_broken(self):
        self.assertEqual({"a": [1, 2]}, {"a": [1, 3]}, "lists differ")

    def test_error(self):
        return 1 / len(self.cart.items)


class AsyncTest(unittest.IsolatedAsyncioTestCase):
    async def test_await(self):
        service = mock.AsyncMock(return_value=5)
        self.assertEqual(await service(1), 5)
        service.assert_awaited_once()


stream = io.StringIO()
suite = unittest.defaultTestLoader.loadTestsFromTestCase(CartTest)
suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(AsyncTest))
result = unittest.TextTestRunner(stream, verbosity=2).run(suite)
for line in stream.getvalue().splitlines():
    if line.startswith(("test_", "Ran", "FAILED", "AssertionError", "ZeroDivisionError", "FAIL:", "ERROR:")):
        print(line.split(" in ")[0])
print(result.testsRun, len(result.failures), len(result.errors), len(result.skipped), len(result.expectedFailures), result.wasSuccessful())
print(result.failures[0][0].id().split(".", 1)[1], "|", result.skipped[0][1])
print("return 1 / len(self.cart.items)" in result.errors[0][1])
