# What a directive of strftime does that not every C library knows, and that one unknown does not empty the text.
# stdout:
# |%k|%l|%P                  ' 5| 5|am'                                  '17| 5|pm'
# |%-d.%-m. %-H:%M           '1.3. 5:04'                                 '31.12. 17:30'
# |%_d|%_H|%e                ' 1| 5| 1'                                  '31|17|31'
# |%^b|%^A|%#B               'MAR|SUNDAY|MARCH'                          'DEC|THURSDAY|DECEMBER'
# |%D|%F|%T|%R|%r            '03/01/26|2026-03-01|05:04:09|05:04|05:04:09 AM''12/31/26|2026-12-31|17:30:00|17:30|05:30:00 PM'
# |%C|%g|%G|%V|%u|%h|%n|%t|%s'20|26|2026|09|7|Mar|\n|\t|1772341449'      '20|26|2026|53|4|Dec|\n|\t|1798738200'
# |%Q and %d                 '%Q and 01'                                 '%Q and 31'
# |%i %o %q %J %d            '%i %o %q %J 01'                            '%i %o %q %J 31'
# |up 100%                   'up 100%'                                   'up 100%'
# |50% on %d                 '50% on 01'                                 '50% on 31'
# |%                         '%'                                         '%'
# |%%                        '%'                                         '%'
# |%d %                      '01 %'                                      '31 %'
# |%y%%%m                    '26%03'                                     '26%12'
# |%Y-%m-%dT%H:%M:%S.%f      '2026-03-01T05:04:09.001234'                '2026-12-31T17:30:00.000000'
# |%EY %Od %Ex               '2026 01 03/01/26'                          '2026 31 12/31/26'
# |größe %B ☃                'größe March ☃'                             'größe December ☃'
# |' 0:00 01' " 5 o'clock am" 1 MAR  5:04am
# |' 5 %Q am 100%' ''
import time
from datetime import date, datetime, time as clock

moment = datetime(2026, 3, 1, 5, 4, 9, 1234)
evening = datetime(2026, 12, 31, 17, 30)
for pattern in ("%k|%l|%P", "%-d.%-m. %-H:%M", "%_d|%_H|%e", "%^b|%^A|%#B", "%D|%F|%T|%R|%r", "%C|%g|%G|%V|%u|%h|%n|%t|%s", "%Q and %d", "%i %o %q %J %d", "up 100%", "50% on %d", "%", "%%", "%d %", "%y%%%m", "%Y-%m-%dT%H:%M:%S.%f", "%EY %Od %Ex", "größe %B ☃"):
    print(f"{pattern:<26}{moment.strftime(pattern)!r:<44}{evening.strftime(pattern)!r}")
print(repr(date(2026, 3, 1).strftime("%k:%M %d")), repr(clock(5, 7).strftime("%l o'clock %P")), f"{moment:%-d %^b %l:%M%P}")
print(repr(time.strftime("%k %Q %P 100%", (2026, 3, 1, 5, 4, 9, 6, 60, 0))), repr(time.strftime("")))
