"""What Airflow shows under Admin, Providers. The entry point ``apache_airflow_provider`` points here."""

from __future__ import annotations

from typing import Any

from headrace._version import __version__

INTEGRATION = "Headrace"


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the form of Airflow's ``provider_info.schema.json``.

    It brings no connection types of its own: ``postgres``, ``kafka`` and ``smtp`` of the providers of these
    names are used as they are, so that a connection serves Headrace and everything else alike.
    """
    return {
        "package-name": "headrace",
        "name": "Headrace",
        "description": (
            "Loads Kafka topics, files and tables into PostgreSQL exactly once, at COPY speed, with every "
            "rejected record kept and a receipt that balances."
        ),
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "tags": ["software"],
            }
        ],
        "operators": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    "headrace.airflow.operators.load",
                    "headrace.airflow.operators.refresh",
                    "headrace.airflow.operators.replay",
                    "headrace.airflow.operators.generate",
                    "headrace.airflow.operators.produce",
                    "headrace.airflow.operators.window",
                    "headrace.airflow.operators.results",
                ],
            }
        ],
        "hooks": [{"integration-name": INTEGRATION, "python-modules": ["headrace.airflow.hooks.headrace"]}],
        "sensors": [{"integration-name": INTEGRATION, "python-modules": ["headrace.airflow.sensors.lag"]}],
        "triggers": [{"integration-name": INTEGRATION, "python-modules": ["headrace.airflow.triggers.lag"]}],
        "notifications": ["headrace.airflow.notifications.smtp.ReceiptNotifier"],
    }
