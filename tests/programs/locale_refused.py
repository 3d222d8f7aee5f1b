# A locale that is not here is refused instead of being taken and ignored.
# stdout:
# |refused True
# |refused True
# |refused True
# |refused True
# |refused True
# |refused True
# |'C' C
# |'POSIX' C
# |'C.UTF-8' C.UTF-8
# |'C.utf8' C.utf8
# |None C.utf8
# |('C', 'UTF-8') C.UTF-8
# |C C C.UTF-8
# |('C', 'UTF-8') UTF-8
# |LC_CTYPE=C.UTF-8;LC_NUMERIC=C;LC_TIME=C.UTF-8;LC_COLLATE=C.UTF-8;LC_MONETARY=C.UTF-8;LC_MESSAGES=C.UTF-8;LC_PAPER=C.UTF-8;LC_NAME=C.UTF-8;LC_ADDRESS=C.UTF-8;LC_TELEPHONE=C.UTF-8;LC_MEASUREMENT=C.UTF-8;LC_IDENTIFICATION=C.UTF-8
# |no German months
# |February 2024
# |['C', 'a', 'b', 'ä'] True 1234567
import calendar
import locale

for name in ("de_DE.UTF-8", "en_US.UTF-8", "de_DE", "fr_FR@euro", "c.utf-8", ("de_DE", "UTF-8")):
    try:
        print(locale.setlocale(locale.LC_ALL, name))
    except locale.Error as error:
        print("refused", str(error).startswith("unsupported locale setting"))
for name in ("C", "POSIX", "C.UTF-8", "C.utf8", None, ("C", "UTF-8")):
    print(repr(name), locale.setlocale(locale.LC_ALL, name))
print(locale.setlocale(locale.LC_NUMERIC, "C"), locale.setlocale(locale.LC_NUMERIC), locale.setlocale(locale.LC_TIME))
print(locale.getlocale(), locale.getencoding())
print(locale.setlocale(locale.LC_ALL))
try:
    calendar.LocaleTextCalendar(locale="de_DE.UTF-8").formatmonth(2024, 2)
except locale.Error:
    print("no German months")
print(calendar.LocaleTextCalendar(locale="C").formatmonth(2024, 2).splitlines()[0].strip())
print(sorted(["b", "a", "C", "ä"], key=locale.strxfrm), locale.strcoll("a", "b") < 0, locale.format_string("%d", 1234567, grouping=True))
