"""The hook: Airflow connections as what Headrace understands."""
