# Composes an e-mail with an attachment and parses it again.
# stdout:
# |Grüße multipart/mixed ['x.bin']
# |'Hello\n'
from email import message_from_bytes, policy
from email.message import EmailMessage

message = EmailMessage()
message["Subject"] = "Grüße"
message["From"] = "a@example.com"
message.set_content("Hello\n")
message.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="x.bin")
back = message_from_bytes(bytes(message), policy=policy.default)
print(back["subject"], back.get_content_type(), [part.get_filename() for part in back.iter_attachments()])
print(repr(back.get_body().get_content()))
