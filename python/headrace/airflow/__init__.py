"""Headrace as an Airflow 3 provider: hook, operators, sensor, trigger and mail.

The tree follows Airflow's own providers. Nothing here imports the C module when a DAG file is read: that
happens inside ``execute()``, in the process of the task.
"""
