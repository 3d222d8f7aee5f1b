# Builds mails and a calendar file, parses them back and reports.
# stdout:
# |0 "Bo, the 2nd" <bo@example.org> | Bericht für März € | 2026-03-01T09:30:00+01:00
# |    text/plain utf-8 8bit None 20
# |    text/html utf-8 8bit None 13
# |    text/csv None base64 zahlen ü.csv 8
# |1 Änn Müller <ann@example.org> | Re: Bericht | 2026-03-02T09:30:00+01:00
# |    text/plain utf-8 quoted-printable None 149
# |2 "Bo, the 2nd" <bo@example.org> | ============================== | 2026-03-03T09:30:00+01:00
# |    text/plain utf-8 7bit None 6
# |From: "Bo, the 2nd" <bo@example.org>
# |To: =?utf-8?q?=C3=84nn_M=C3=BCller?= <ann@example.org>,
# | "Bo, the 2nd" <bo@example.org>
# |Subject: Bericht =?utf-8?b?ZsO8ciBNw6RyeiDigqw=?=
# |Date: Sun, 01 Mar 2026 09:30:00 +0100
# |Message-ID: <1@example.org>
# |MIME-Version: 1.0
# |Content-Type: multipart/mixed; boundary="==edge=="
# |Grüßeäöü [('Bo, X', 'bo@x.org'), ('Ann', 'ann@y.org')]
# |'Grüße\r\n\r\nsiehe Anhang\r\n' ['zahlen ü.csv']
# |22 69
# |2026-03-02 08:00:00+00:00 'Standup, daily; short' 21
# |2026-04-03 'Holiday' 7
# |2026-03-02 22:30:00+00:00 'Release\nparty with a very long title wit' 105
# wrote: box.mbox plan.ics
import email
import email.policy
import mailbox
import re
from datetime import date, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, getaddresses, parsedate_to_datetime
from pathlib import Path
from textwrap import wrap

PEOPLE = [("Änn Müller", "ann@example.org"), ("Bo, the 2nd", "bo@example.org")]


def mail(number, subject, body):
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = formataddr(PEOPLE[number % 2])
    message["To"] = ", ".join(formataddr(p) for p in PEOPLE)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime(2026, 3, number, 9, 30, tzinfo=timezone(timedelta(hours=1))))
    message["Message-ID"] = f"<{number}@example.org>"
    message.set_content(body)
    return message


report = mail(1, "Bericht für März €", "Grüße\n\nsiehe Anhang\n")
report.add_alternative("<p>Grüße</p>", subtype="html")
report.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="zahlen ü.csv")
report.set_boundary("==edge==")
box = mailbox.mbox("box.mbox")
for message in (report, mail(2, "Re: Bericht", "From here on it is fine.\n.\n" + "x" * 120 + "\n"), mail(3, "=" * 90, "short\n")):
    box.add(message)
box.flush()
box.close()

for key, message in mailbox.mbox("box.mbox", factory=lambda f: email.message_from_binary_file(f, policy=email.policy.default)).items():
    print(f"{key} {message['From']} | {message['Subject'][:30]} | {parsedate_to_datetime(message['Date']).isoformat()}")
    for part in message.walk():
        if not part.is_multipart():
            content = part.get_content()
            print("   ", part.get_content_type(), part.get_content_charset(), part["Content-Transfer-Encoding"], part.get_filename(), len(content))
raw = report.as_bytes()
print(raw.split(b"\r\n\r\n")[0].decode().replace("\r\n", "\n"))
print(str(make_header(decode_header("=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?b?5Pb8?="))), getaddresses(['"Bo, X" <bo@x.org>, ann@y.org (Ann)']))
body = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",)).get_content()
print(repr(body), [a.get_filename() for a in report.iter_attachments()])


def fold(line):
    return "\r\n ".join(wrap(line, 70, drop_whitespace=False)) if len(line) > 72 else line


def ics(events):
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN")
    for uid, (start, hours, title) in enumerate(events):
        yield "BEGIN:VEVENT"
        yield f"UID:{uid}@example.org"
        if isinstance(start, datetime):
            yield f"DTSTART:{start.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"
            yield f"DTEND:{(start + timedelta(hours=hours)).astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"
        else:
            yield f"DTSTART;VALUE=DATE:{start:%Y%m%d}"
        yield fold("SUMMARY:" + title.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n"))
        yield "END:VEVENT"
    yield "END:VCALENDAR"


cet = timezone(timedelta(hours=1), "CET")
events = [(datetime(2026, 3, 2, 9, 0, tzinfo=cet), 1.5, "Standup, daily; short"), (date(2026, 4, 3), 0, "Holiday"), (datetime(2026, 3, 2, 23, 30, tzinfo=cet), 2, "Release\nparty " + "with a very long title " * 4)]
Path("plan.ics").write_bytes("\r\n".join(ics(events)).encode() + b"\r\n")
text = Path("plan.ics").read_bytes().decode()
print(text.count("\r\n"), max(map(len, text.split("\r\n"))))
unfolded = re.sub(r"\r\n[ \t]", "", text)
for block in re.findall(r"BEGIN:VEVENT\r\n(.*?)END:VEVENT", unfolded, re.S):
    fields = dict(line.split(":", 1) for line in block.strip().split("\r\n"))
    start = next(v for k, v in fields.items() if k.startswith("DTSTART"))
    when = datetime.strptime(start, "%Y%m%dT%H%M%S%z") if "T" in start else datetime.strptime(start, "%Y%m%d").date()
    summary = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], fields["SUMMARY"])
    print(when, repr(summary[:40]), len(summary))
