# What arithmetic says of too large a number.
# stdout:
# |power OverflowError(34, 'Numerical result out of range')
# |builtin pow OverflowError(34, 'Numerical result out of range')
# |complex power OverflowError('complex exponentiation')
# |integer power ZeroDivisionError('0.0 cannot be raised to a negative power')
# |math.pow OverflowError('math range error')
# |math.pow of a negative ValueError('math domain error')
# |exp OverflowError('math range error')
# |cosh OverflowError('math range error')
# |log ValueError('math domain error')
# |sqrt ValueError('math domain error')
# |gamma ValueError('math domain error')
# |gamma of much OverflowError('math range error')
# |ldexp OverflowError('math range error')
# |fmod ValueError('math domain error')
# |cmath.exp OverflowError('math range error')
# |cmath.log ValueError('math domain error')
# |float inf
# |float of an int OverflowError('int too large to convert to float')
# |division OverflowError('integer division result too large for a float')
# |gmtime OSError(75, 'Value too large for defined data type')
# |sleep ValueError('sleep length must be non-negative')
# |(34, 'Numerical result out of range') True
import cmath
import errno
import math
import time

for what, call in (
    ("power", lambda: 2.0 ** 10000),
    ("builtin pow", lambda: pow(10.0, 400)),
    ("complex power", lambda: (1e300 + 1j) ** 3),
    ("integer power", lambda: 0.0 ** -1),
    ("math.pow", lambda: math.pow(10, 400)),
    ("math.pow of a negative", lambda: math.pow(-1, 0.5)),
    ("exp", lambda: math.exp(1000)),
    ("cosh", lambda: math.cosh(1000)),
    ("log", lambda: math.log(0)),
    ("sqrt", lambda: math.sqrt(-1)),
    ("gamma", lambda: math.gamma(-1)),
    ("gamma of much", lambda: math.gamma(200)),
    ("ldexp", lambda: math.ldexp(1.0, 5000)),
    ("fmod", lambda: math.fmod(1, 0)),
    ("cmath.exp", lambda: cmath.exp(1000)),
    ("cmath.log", lambda: cmath.log(0)),
    ("float", lambda: float("1e400")),
    ("float of an int", lambda: float(10 ** 400)),
    ("division", lambda: 10 ** 400 / 3),
    ("gmtime", lambda: time.gmtime(1e18)),
    ("sleep", lambda: time.sleep(-1)),
):
    try:
        print(what, call())
    except (ArithmeticError, ValueError, OSError) as error:
        print(what, repr(error))

try:
    1.5 ** 1e6
except OverflowError as error:
    print(error, error.args[0] == errno.ERANGE == 34)
