# A command line tool with subcommands, exercised as its tests would.
# stdout:
# |$ todo add buy 'green tea' -p 2 -t shop
# |added #1
# |-> 0
# |$ todo a -t work -t late write report
# |added #2
# |-> 0
# |$ todo list
# |[ ]  1 !!  buy green tea #shop
# |[ ]  2 !   write report #work #late
# |-> 0
# |$ todo done 1
# |-> 3
# |$ todo list --all
# |[x]  1 !!  buy green tea #shop
# |[ ]  2 !   write report #work #late
# |-> 0
# |$ todo done 2
# |-> 0
# |$ todo list --no-all
# |-> 0
# |$ todo add x -p 9
# |stderr: usage: todo add [-h] [-p {1,2,3}] [-t TAG] words [words ...]
# |        todo add: error: argument -p/--priority: invalid choice: '9' (choose from 1, 2, 3)
# |-> 2
# |$ todo done 0
# |stderr: usage: todo done [-h] numbers [numbers ...]
# |        todo done: error: argument numbers: 0 is not positive
# |-> 2
# |$ todo done one
# |stderr: usage: todo done [-h] numbers [numbers ...]
# |        todo done: error: argument numbers: invalid positive value: 'one'
# |-> 2
# |$ todo remove 1
# |stderr: usage: todo [-h] [-v] [--version] COMMAND ...
# |        todo: error: argument COMMAND: invalid choice: 'remove' (choose from add, a, list, done)
# |-> 2
# |$ todo 
# |stderr: usage: todo [-h] [-v] [--version] COMMAND ...
# |        todo: error: the following arguments are required: COMMAND
# |-> 2
# |$ todo add
# |stderr: usage: todo add [-h] [-p {1,2,3}] [-t TAG] words [words ...]
# |        todo add: error: the following arguments are required: words
# |-> 2
# |$ todo --version
# |todo 1.2
# |-> 0
# |$ todo -h
# |usage: todo [-h] [-v] [--version] COMMAND ...
# |
# |Keeps a list of things to do.
# |
# |positional arguments:
# |  COMMAND
# |    add (a)      add a task
# |    list         show tasks
# |
# |options:
# |  -h, --help     show this help message and exit
# |  -v, --verbose  say more
# |  --version      show program's version number and exit
# |
# |Have fun.
# |-> 0
# |$ todo add --help
# |usage: todo add [-h] [-p {1,2,3}] [-t TAG] words [words ...]
# |
# |positional arguments:
# |  words
# |
# |options:
# |  -h, --help            show this help message and exit
# |  -p, --priority {1,2,3}
# |                        1 to 3 (default: 1)
# |  -t, --tag TAG
# |-> 0
# |Namespace(ratio=0.001, format='text') (Namespace(ratio=None, format='json'), ['--other', '1'])
# |argument --ratio: invalid float value: 'much'
# wrote: todo.json
import argparse
import contextlib
import io
import json
import shlex
from pathlib import Path

STORE = Path("todo.json")


def load():
    return json.loads(STORE.read_text()) if STORE.exists() else []


def add(options):
    tasks = load()
    tasks.append({"title": " ".join(options.words), "priority": options.priority, "tags": options.tag or [], "done": False})
    STORE.write_text(json.dumps(tasks))
    print(f"added #{len(tasks)}")


def show(options):
    for number, task in enumerate(load(), 1):
        if options.all or not task["done"]:
            mark = "x" if task["done"] else " "
            print(f"[{mark}] {number:>2} {'!' * task['priority']:<3} {task['title']} {' '.join('#' + t for t in task['tags'])}".rstrip())


def done(options):
    tasks = load()
    for number in options.numbers:
        tasks[number - 1]["done"] = True
    STORE.write_text(json.dumps(tasks))
    return 0 if all(task["done"] for task in tasks) else 3


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def build():
    parser = argparse.ArgumentParser(prog="todo", description="Keeps a list of things to do.", epilog="Have fun.")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    parser.add_argument("--version", action="version", version="%(prog)s 1.2")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("add", help="add a task", aliases=["a"])
    command.add_argument("words", nargs="+")
    command.add_argument("-p", "--priority", type=int, choices=range(1, 4), default=1, help="1 to 3 (default: %(default)s)")
    command.add_argument("-t", "--tag", action="append")
    command.set_defaults(run=add)
    command = commands.add_parser("list", help="show tasks")
    command.add_argument("--all", action=argparse.BooleanOptionalAction, default=False)
    command.set_defaults(run=show)
    command = commands.add_parser("done")
    command.add_argument("numbers", nargs="+", type=positive)
    command.set_defaults(run=done)
    return parser


def main(line):
    print("$ todo", line)
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            options = build().parse_args(shlex.split(line))
            code = options.run(options) or 0
    except SystemExit as end:
        code = end.code
    if errors.getvalue():
        print("stderr:", errors.getvalue().strip().replace("\n", "\n        "))
    print("->", code)


for line in (
    "add buy 'green tea' -p 2 -t shop", "a -t work -t late write report", "list", "done 1", "list --all", "done 2",
    "list --no-all", "add x -p 9", "done 0", "done one", "remove 1", "", "add", "--version", "-h", "add --help",
):
    main(line)
parser = argparse.ArgumentParser(exit_on_error=False)
parser.add_argument("--ratio", type=float, required=False)
group = parser.add_mutually_exclusive_group()
group.add_argument("--json", dest="format", action="store_const", const="json")
group.add_argument("--text", dest="format", action="store_const", const="text")
print(parser.parse_args(["--ratio=1e-3", "--text"]), parser.parse_known_args(["--other", "1", "--json"]))
try:
    parser.parse_args(["--ratio", "much"])
except argparse.ArgumentError as error:
    print(error)
