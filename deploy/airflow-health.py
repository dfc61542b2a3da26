#!/opt/headrace/bin/python
"""airflow-health PART: the health check of a container.

It succeeds if Airflow's API server calls this part healthy. PART is metadatabase, scheduler,
dag_processor or triggerer.
"""

import json
import os
import sys
import urllib.request

URL = (
    os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].removesuffix("/execution/")
    + "/api/v2/monitor/health"
)

with urllib.request.urlopen(URL, timeout=10) as answer:  # noqa: S310 -- the address is our own setting
    status = json.load(answer)[sys.argv[1]]["status"]
print(status)
sys.exit(status != "healthy")
