# A small interactive shell with cmd.Cmd over standard input, with files, history and completion.
# stdin:
# |help
# |mkfile notes.txt "hello world" second
# |cat notes.txt
# |ls
# |set colour=red size='very large'
# |show
# |calc 2 + 3 * 4
# |calc 1 /
# |
# |bogus thing
# |!shell
# |exit
# |never read
# stdout:
# |Small shell. Type help.
# |$ 
# |Documented commands (type help <topic>):
# |========================================
# |calc  cat  exit  help  ls  mkfile
# |
# |Undocumented commands:
# |======================
# |set  show
# |
# |$ 19 characters
# |$ hello world
# |second
# |$ notes.txt
# |$ $ colour = red
# |size = 'very large'
# |$ 14
# |$ error: invalid syntax at 0
# |$ (nothing)
# |$ unknown: bogus thing
# |$ unknown: !shell
# |$ bye after 12 lines
# |['calc', 'cat'] ['notes.txt'] ('help', 'x', 'help  x') True
# |calc EXPRESSION
# |item0  item3  item6  item9 
# |item1  item4  item7  item10
# |item2  item5  item8  item11
# |left: ['never', 'read']
# |['a', 'b c', 'd " e', 'f g'] 'a b' 'c'"'"'d' '' x ['a=1', ';', 'b', '>', 'c']
# |No closing quotation
# |([('-v', ''), ('--level', '3'), ('-o', 'x')], ['in', 'out'])
# |option --what not recognized
# |{'number': 7} ['rest'] Usage: tool [options] 100
# wrote: notes.txt
import cmd
import getopt
import shlex
import shutil
import sys
from optparse import OptionParser
from pathlib import Path


class Shell(cmd.Cmd):
    intro = "Small shell. Type help."
    prompt = "$ "
    file = None

    def __init__(self):
        super().__init__()
        self.settings, self.history = {}, []
        self.use_rawinput = False

    def precmd(self, line):
        self.history.append(line)
        return line

    def emptyline(self):
        print("(nothing)")

    def default(self, line):
        print(f"unknown: {line}")

    def do_mkfile(self, arg):
        """mkfile NAME WORD...: writes words, one a line"""
        name, *words = shlex.split(arg)
        print(Path(name).write_text("\n".join(words) + "\n"), "characters")

    def do_cat(self, arg):
        "cat NAME"
        print(Path(arg).read_text(), end="")

    def do_ls(self, arg):
        "ls"
        self.columns(sorted(p.name for p in Path().iterdir()))

    def columns(self, names):
        self.columnize(names, displaywidth=40)

    def do_set(self, arg):
        self.settings |= dict(pair.split("=", 1) for pair in shlex.split(arg))

    def do_show(self, arg):
        for key, value in sorted(self.settings.items()):
            print(f"{key} = {shlex.quote(value)}")

    def do_calc(self, arg):
        "calc EXPRESSION"
        try:
            print(eval(arg, {"__builtins__": {}}))
        except SyntaxError as error:
            print("error:", error.msg, "at", error.offset)

    def complete_cat(self, text, line, begin, end):
        return [p.name for p in Path().iterdir() if p.name.startswith(text)]

    def do_exit(self, arg):
        "exit"
        return True

    def postloop(self):
        print("bye after", len(self.history), "lines")


shell = Shell()
shell.cmdloop()
print(shell.completenames("c"), shell.complete_cat("no", "", 0, 0), shell.parseline("? x"), shell.get_names()[-1].startswith("u"))
shell.onecmd("help calc")
shell.columnize([f"item{n}" for n in range(12)], displaywidth=40)
print("left:", sys.stdin.read().split())
print(shlex.split("a 'b c' \"d \\\" e\" f\\ g # note", comments=True), shlex.join(["a b", "c'd", "", "x"]), list(shlex.shlex("a=1;b>c", punctuation_chars=True)))
try:
    shlex.split("open 'quote")
except ValueError as error:
    print(error)
print(getopt.gnu_getopt(["-v", "in", "--level=3", "-o", "x", "out"], "vo:", ["level="]))
try:
    getopt.getopt(["--what"], "v")
except getopt.GetoptError as error:
    print(error)
parser = OptionParser(usage="%prog [options]", prog="tool")
parser.add_option("-n", "--number", type="int", default=5, help="a number [default: %default]")
options, rest = parser.parse_args(["-n", "7", "rest"])
print(vars(options), rest, parser.format_help().splitlines()[0], shutil.get_terminal_size((100, 30)).columns)
