# Tokenizes, parses and evaluates expressions three ways, and prints trees.
# stdout:
# |1 + 2 * 3                = 7            (+ 1 (* 2 3))
# |-2 ^ 2                   = -4           (neg (^ 2 2))
# |2 ^ 3 ^ 2                = 512          (^ 2 (^ 3 2))
# |(1 + x) * -4 / 8         = -2           (/ (* (+ 1 x) (neg 4)) 8)
# |max(1, x, 2) % 2         = 1            (% (max 1 x 2) 2)
# |sqrt(16) + hypot(3, 4)   = 9            (+ (sqrt 16) (hypot 3 4))
# |5! - 3!                  = 114          (- (! 5) (! 3))
# |10 - 4 - 3               = 3            (- (- 10 4) 3)
# |1e3 * .5                 = 500          (* 1000 0.5)
# |sin(pi / 2)              = 1            (sin (/ pi 2))
# |1 +                      ! ParseError: unexpected 'the end'
# |    1 + 
# |        ^
# |2 * (3 + 4               ! ParseError: expected ')', got 'the end'
# |    2 * (3 + 4
# |              ^
# |foo(1)                   ! ParseError: unknown function foo
# |    foo(1)
# |    ^
# |3 $ 4                    ! ParseError: unexpected character
# |    3 $ 4
# |     ^
# |1 2                      ! ParseError: unexpected '2'
# |    1 2
# |      ^
# |y + 1                    ! KeyError: 'y'
# |1 / 0                    ! ZeroDivisionError: float division by zero
# |2 ** 0.5                 = 1.41421      (** 2 0.5)
# |3 4 2 * 1 5 - 2 3 ^ ^ / + = 3.0001220703125
# |7 2 - 1 - = 4.0
# |1 2 + 3 4 + * = 21.0
# |1028
# |Call is not allowed
# |List is not allowed
# |Module(
# | body=[
# |  Assign(
# |   targets=[
# |    Name(id='a', ctx=Store())],
# |   value=BinOp(
# |    left=Name(id='b', ctx=Load()),
# |    op=Add(),
# |    right=Constant(value=1)))]) x = (1 + 2) * y if z else {'k': [1, 2]} (1, None, b'x')
import ast
import math
import operator
import re
from dataclasses import dataclass

TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(\*\*|[-+*/%^(),=!]))")
BINARY = {"+": (1, "left", operator.add), "-": (1, "left", operator.sub), "*": (2, "left", operator.mul), "/": (2, "left", operator.truediv), "%": (2, "left", operator.mod), "^": (4, "right", operator.pow), "**": (4, "right", operator.pow)}
FUNCTIONS = {"sqrt": math.sqrt, "max": max, "sin": math.sin, "hypot": math.hypot, "abs": abs}


class ParseError(Exception):
    def __init__(self, text, at, what):
        super().__init__(f"{what}\n    {text}\n    {' ' * at}^")


@dataclass(frozen=True)
class Number:
    value: float

    def evaluate(self, names):
        return self.value

    def __str__(self):
        return f"{self.value:g}"


@dataclass(frozen=True)
class Name:
    name: str

    def evaluate(self, names):
        return names[self.name]

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Operation:
    sign: str
    parts: tuple

    def evaluate(self, names):
        values = [p.evaluate(names) for p in self.parts]
        if self.sign == "neg":
            return -values[0]
        if self.sign == "!":
            return math.factorial(int(values[0]))
        return (FUNCTIONS.get(self.sign) or BINARY[self.sign][2])(*values)

    def __str__(self):
        return f"({self.sign} {' '.join(map(str, self.parts))})"


class Parser:
    def __init__(self, text):
        self.text, self.tokens, at = text, [], 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            if not match:
                raise ParseError(text, at, "unexpected character")
            self.tokens.append((match.group(match.lastindex), match.start(match.lastindex), match.lastindex))
            at = match.end()
        self.tokens.append(("", len(text), 0))

    def take(self, wanted=None):
        token = self.tokens[0]
        if wanted is not None and token[0] != wanted:
            raise ParseError(self.text, token[1], f"expected {wanted!r}, got {token[0] or 'the end'!r}")
        return self.tokens.pop(0)

    def parse(self):
        tree = self.expression(0)
        if self.tokens[0][0]:
            raise ParseError(self.text, self.tokens[0][1], f"unexpected {self.tokens[0][0]!r}")
        return tree

    def expression(self, least):
        left = self.unary()
        while (sign := self.tokens[0][0]) in BINARY and BINARY[sign][0] >= least:
            level, side, _ = BINARY[self.take()[0]]
            left = Operation(sign, (left, self.expression(level + (side == "left"))))
        return left

    def unary(self):
        if self.tokens[0][0] == "-":
            self.take()
            return Operation("neg", (self.expression(3),))
        value = self.atom()
        while self.tokens[0][0] == "!":
            self.take()
            value = Operation("!", (value,))
        return value

    def atom(self):
        text, at, kind = self.take()
        if kind == 1:
            return Number(float(text))
        if kind == 2:
            if self.tokens[0][0] != "(":
                return Name(text)
            if text not in FUNCTIONS:
                raise ParseError(self.text, at, f"unknown function {text}")
            self.take("(")
            arguments = [self.expression(0)]
            while self.tokens[0][0] == ",":
                self.take()
                arguments.append(self.expression(0))
            self.take(")")
            return Operation(text, tuple(arguments))
        if text == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        raise ParseError(self.text, at, f"unexpected {text or 'the end'!r}")


names = {"x": 3.0, "pi": math.pi}
for text in ("1 + 2 * 3", "-2 ^ 2", "2 ^ 3 ^ 2", "(1 + x) * -4 / 8", "max(1, x, 2) % 2", "sqrt(16) + hypot(3, 4)", "5! - 3!", "10 - 4 - 3", "1e3 * .5", "sin(pi / 2)", "1 + ", "2 * (3 + 4", "foo(1)", "3 $ 4", "1 2", "y + 1", "1 / 0", "2 ** 0.5"):
    try:
        tree = Parser(text).parse()
        print(f"{text:<24} = {tree.evaluate(names):<12g} {tree}")
    except (ParseError, KeyError, ZeroDivisionError) as error:
        print(f"{text:<24} ! {type(error).__name__}: {error}")


def postfix(text):
    output, stack = [], []
    for token, at, kind in Parser(text).tokens[:-1]:
        if kind == 1:
            output.append(token)
        elif token == "(":
            stack.append(token)
        elif token == ")":
            while (top := stack.pop()) != "(":
                output.append(top)
        else:
            level, side, _ = BINARY[token]
            while stack and stack[-1] != "(" and (BINARY[stack[-1]][0] > level or BINARY[stack[-1]][0] == level and side == "left"):
                output.append(stack.pop())
            stack.append(token)
    return output + stack[::-1]


def run(tokens):
    stack = []
    for token in tokens:
        if token in BINARY:
            right, left = stack.pop(), stack.pop()
            stack.append(BINARY[token][2](left, right))
        else:
            stack.append(float(token))
    return stack.pop()


for text in ("3 + 4 * 2 / (1 - 5) ^ 2 ^ 3", "7 - 2 - 1", "(1 + 2) * (3 + 4)"):
    print(" ".join(postfix(text)), "=", run(postfix(text)))


class Safe(ast.NodeVisitor):
    OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow, ast.USub: operator.neg}

    def visit_Expression(self, node):
        return self.visit(node.body)

    def visit_BinOp(self, node):
        return self.OPERATORS[type(node.op)](self.visit(node.left), self.visit(node.right))

    def visit_UnaryOp(self, node):
        return self.OPERATORS[type(node.op)](self.visit(node.operand))

    def visit_Constant(self, node):
        return node.value

    def generic_visit(self, node):
        raise ValueError(f"{type(node).__name__} is not allowed")


for text in ("2 ** 10 - -4", "__import__('os').system('ls')", "[1, 2]"):
    try:
        print(Safe().visit(ast.parse(text, mode="eval")))
    except ValueError as error:
        print(error)
print(ast.dump(ast.parse("a = b + 1", mode="exec"), indent=1), ast.unparse(ast.parse("x=( 1+2 )*y if z else {'k':[ 1,2 ]}")), ast.literal_eval("{'a': (1, None, b'x'), 'b': {2.5, -3}}")["a"])
