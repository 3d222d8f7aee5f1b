# Without a seed numbers differ, and so do secrets.
# stdout:
# |1000 50
# |True cfbff0d1-9375-5685-968c-48ce8b15ae17
import random
import secrets
import uuid

print(len({random.random() for _ in range(1000)}), len({secrets.token_hex(8) for _ in range(50)}))
print(uuid.uuid4() != uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_DNS, "example.com"))
