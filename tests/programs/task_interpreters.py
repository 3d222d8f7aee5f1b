# Interprets three small languages: Lisp, Brainfuck and a stack machine with an assembler.
# stdout:
# |15511210043330985984000000 (1 4 9) 200010000
# |15 a b (1.5 #t sym (a (b)))
# |KeyError 'undefined'
# |('Hello World!\n', 906) ('esrever', 46)
# |([3628800], 97) ('jz', 11)
# |('1100', 8) ('1000', 8)
import operator as op
import re
from collections import ChainMap
from functools import reduce


class Symbol(str): ...


def read(text):
    tokens = re.findall(r'"(?:\\.|[^"])*"|[()\']|[^\s()\']+', re.sub(r";.*", "", text))

    def form():
        token = tokens.pop(0)
        if token == "(":
            items = []
            while tokens[0] != ")":
                items.append(form())
            tokens.pop(0)
            return items
        if token == "'":
            return [Symbol("quote"), form()]
        if token.startswith('"'):
            return token[1:-1]
        for kind in (int, float):
            try:
                return kind(token)
            except ValueError:
                pass
        return {"#t": True, "#f": False}.get(token, Symbol(token))

    while tokens:
        yield form()


def show(value):
    if isinstance(value, list):
        return "(" + " ".join(map(show, value)) + ")"
    return {True: "#t", False: "#f"}[value] if isinstance(value, bool) else "nil" if value is None else str(value)


GLOBAL = ChainMap({"+": lambda *a: sum(a), "*": lambda *a: reduce(op.mul, a, 1), "-": lambda a, *b: a - sum(b) if b else -a, "/": op.truediv, "<": op.lt, "=": op.eq, "car": lambda l: l[0], "cdr": lambda l: l[1:], "cons": lambda a, l: [a, *l], "list": lambda *a: list(a), "null?": lambda l: l == [], "length": len, "print": lambda *a: print(*map(show, a))})


def evaluate(form, env=GLOBAL):
    while True:
        if isinstance(form, Symbol):
            return env[form]
        if not isinstance(form, list):
            return form
        match form:
            case ["quote", value]:
                return value
            case ["define", [name, *parameters], *body]:
                env[name] = evaluate([Symbol("lambda"), parameters, *body], env)
                return None
            case ["define", name, value]:
                env[name] = evaluate(value, env)
                return None
            case ["if", test, then, *otherwise]:
                form = then if evaluate(test, env) else otherwise[0] if otherwise else None
            case ["let", pairs, *body]:
                form = [[Symbol("lambda"), [n for n, _ in pairs], *body], *[v for _, v in pairs]]
            case ["lambda", parameters, *body]:
                return (parameters, body, env)
            case _:
                function, *arguments = (evaluate(part, env) for part in form)
                if callable(function):
                    return function(*arguments)
                parameters, body, closure = function
                if len(parameters) != len(arguments):
                    raise TypeError(f"wants {len(parameters)}, got {len(arguments)}")
                env = closure.new_child(dict(zip(parameters, arguments)))
                for part in body[:-1]:
                    evaluate(part, env)
                form = body[-1]


PROGRAM = """
(define (fact n) (if (< n 2) 1 (* n (fact (- n 1)))))   ; the classic
(define (map f l) (if (null? l) '() (cons (f (car l)) (map f (cdr l)))))
(define (count n acc) (if (= n 0) acc (count (- n 1) (+ acc n))))
(print (fact 25) (map (lambda (x) (* x x)) '(1 2 3)) (count 20000 0))
(define (adder n) (lambda (x) (+ x n)))
(let ((add5 (adder 5)) (word "a b")) (print (add5 10) word (list 1.5 #t 'sym '(a (b)))))
(print (undefined 1))
"""
for form in read(PROGRAM):
    try:
        evaluate(form)
    except (KeyError, TypeError, IndexError) as error:
        print(type(error).__name__, error)


def brainfuck(code, data=""):
    jumps, stack = {}, []
    for at, sign in enumerate(code):
        if sign == "[":
            stack.append(at)
        elif sign == "]":
            jumps[at] = stack.pop()
            jumps[jumps[at]] = at
    tape, pointer, at, out, inputs, steps = bytearray(300), 0, 0, [], iter(data), 0
    while at < len(code):
        match code[at]:
            case ">":
                pointer += 1
            case "<":
                pointer -= 1
            case "+":
                tape[pointer] = (tape[pointer] + 1) & 255
            case "-":
                tape[pointer] = (tape[pointer] - 1) & 255
            case ".":
                out.append(chr(tape[pointer]))
            case ",":
                tape[pointer] = ord(next(inputs, "\0"))
            case "[" if not tape[pointer]:
                at = jumps[at]
            case "]" if tape[pointer]:
                at = jumps[at]
        at += 1
        steps += 1
    return "".join(out), steps


HELLO = "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++."
print(brainfuck(HELLO), brainfuck(",[>,]<[.<]", "reverse"))

ASSEMBLY = """
        push 1      # result
        push 10     # counter
loop:   dup
        jz end
        swap
        over
        mul
        swap
        push 1
        sub
        jmp loop
end:    pop
        out
        halt
"""


def assemble(text):
    labels, code = {}, []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if ":" in line:
            label, _, line = (part.strip() for part in line.partition(":"))
            labels[label] = len(code)
        if line:
            name, *rest = line.split()
            code.append((name, rest[0] if rest else None))
    return [(name, labels.get(arg, arg and (int(arg) if arg.isdigit() else arg))) for name, arg in code]


def machine(code):
    stack, at, out, trace = [], 0, [], 0
    while True:
        name, arg = code[at]
        at, trace = at + 1, trace + 1
        if name == "halt":
            return out, trace
        elif name == "push":
            stack.append(arg)
        elif name in ("mul", "sub", "add"):
            b, a = stack.pop(), stack.pop()
            stack.append(getattr(op, name)(a, b))
        elif name == "jmp" or name == "jz" and not stack.pop():
            at = arg
        elif name != "jz":
            {"dup": lambda: stack.append(stack[-1]), "swap": lambda: stack.append(stack.pop(-2)), "over": lambda: stack.append(stack[-2]), "pop": stack.pop, "out": lambda: out.append(stack[-1])}[name]()


print(machine(assemble(ASSEMBLY)), assemble(ASSEMBLY)[3])


def turing(rules, tape, state="start", limit=1000):
    cells, at = dict(enumerate(tape)), 0
    for step in range(limit):
        if state == "halt":
            return "".join(cells[i] for i in sorted(cells)).strip("_"), step
        state, cells[at], move = rules[state, cells.get(at, "_")]
        at += {"R": 1, "L": -1}[move]


INCREMENT = {("start", "0"): ("start", "0", "R"), ("start", "1"): ("start", "1", "R"), ("start", "_"): ("carry", "_", "L"), ("carry", "1"): ("carry", "0", "L"), ("carry", "0"): ("halt", "1", "L"), ("carry", "_"): ("halt", "1", "L")}
print(turing(INCREMENT, "1011"), turing(INCREMENT, "111"))
