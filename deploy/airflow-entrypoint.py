#!/opt/headrace/bin/python
"""Start of every Airflow container: write the password of `admin` for Airflow, then become the command.

The password comes as AIRFLOW_ADMIN_PASSWORD and is taken out of the environment, so that tasks do not see it.
"""

import json
import os
import sys

password = os.environ.pop("AIRFLOW_ADMIN_PASSWORD", "")
if password:
    path = os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"admin": password}, file)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 -- the container's command; no shell in between
