"""OpenLineage: which table or topic was read, which was written, and how many rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """A dataset by the names of OpenLineage's naming rules."""

    namespace: str
    name: str


def table(host: str, port: int, database: str, name: str) -> Dataset:
    """A PostgreSQL table; without a schema in its name it is taken to be in ``public``."""
    return Dataset(f"postgres://{host}:{port}", f"{database}.{name if '.' in name else 'public.' + name}")


def topic(bootstrap_servers: str, name: str) -> Dataset:
    """A Kafka topic, under the first of the bootstrap servers."""
    return Dataset(f"kafka://{bootstrap_servers.split(',', 1)[0].strip()}", name)


def file(path: str) -> Dataset:
    """A file of the worker's machine."""
    return Dataset("file", path)


def facets(receipt: Mapping[str, Any], inputs: list[Dataset], outputs: list[Dataset]) -> Any:
    """An OperatorLineage with the receipt's row counts; None where the openlineage provider is missing."""
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client import facet_v2
        from openlineage.client.event_v2 import InputDataset, OutputDataset
    except ImportError:
        return None
    read = facet_v2.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=int(receipt["read"]), size=int(receipt.get("bytes") or 0)
    )
    written = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=int(receipt["loaded"])
    )
    return OperatorLineage(
        inputs=[InputDataset(d.namespace, d.name, inputFacets={"inputStatistics": read}) for d in inputs],
        outputs=[
            OutputDataset(d.namespace, d.name, outputFacets={"outputStatistics": written}) for d in outputs
        ],
    )
