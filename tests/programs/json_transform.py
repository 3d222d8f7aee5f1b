# Reads JSON from standard input, changes it and prints it.
# stdin: "{\"users\": [{\"id\": 2, \"name\": \"Zoë\"}, {\"id\": 1, \"name\": \"Adam\", \"tags\": [\"a\", null, true]}]}"
# stdout:
# |{
# |  "count": 2,
# |  "users": [
# |    {
# |      "id": 1,
# |      "name": "Adam",
# |      "tags": [
# |        "a",
# |        null,
# |        true
# |      ]
# |    },
# |    {
# |      "id": 2,
# |      "name": "Zoë"
# |    }
# |  ]
# |}
import json
import sys

data = json.load(sys.stdin)
data["users"].sort(key=lambda user: user["id"])
data["count"] = len(data["users"])
print(json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True))
