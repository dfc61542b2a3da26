"""LoadFilesToPostgres: files, or a flow file's content, into a table, exactly once."""

from __future__ import annotations

import os
from typing import Any

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.properties import (
    ExpressionLanguageScope,
    PropertyDependency,
    PropertyDescriptor,
    StandardValidators,
)

from headrace.nifi import base, work


class LoadFilesToPostgres(FlowFileTransform):
    """Every flow file that comes in names a file or is one; the receipt goes out."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Loads JSON lines or CSV (plain, gzip or zstd) into a PostgreSQL table, exactly once: the "
            "files that a path or glob names, which Headrace reads itself, or the content of the flow "
            "file, which passes through NiFi's Python bridge at a few MB a second. The receipt goes out "
            "as content and attributes."
        )
        tags = [
            "headrace",
            "file",
            "csv",
            "json",
            "postgresql",
            "copy",
            "load",
            "exactly-once",
            "dead letter",
        ]

    SOURCE = PropertyDescriptor(
        name="Source",
        description="path: the files of Path, read in place (fast). content: the flow file's own content.",
        required=True,
        default_value="path",
        allowable_values=["path", "content"],
    )
    PATH = PropertyDescriptor(
        name="Path",
        description="A file or a glob on the machine of NiFi.",
        required=True,
        default_value="${absolute.path}/${filename}",
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
        dependencies=[PropertyDependency(SOURCE, "path")],
    )
    SPOOL = PropertyDescriptor(
        name="Spool Folder",
        description="Where content is kept while it is loaded. It must outlive a restart of NiFi: with it, "
        "a flow file that NiFi sends a second time is not loaded a second time.",
        required=True,
        default_value="./headrace_spool",
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        dependencies=[PropertyDependency(SOURCE, "content")],
    )
    DELIMITER = PropertyDescriptor(
        name="Delimiter",
        description="Between the fields of CSV. Empty: a comma, or a tab in .tsv.",
    )
    PROPERTIES = (
        SOURCE,
        PATH,
        SPOOL,
        base.FORMAT,
        DELIMITER,
        base.DATABASE,
        base.PASSWORD,
        base.TARGET,
        base.JOB,
        base.MODE,
        base.KEY,
        base.COLUMNS,
        base.UNIT,
        base.ZONE,
        base.WORKERS,
        base.BATCH,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.LOADED

    def customValidate(self, context: Any) -> list[Any]:
        """What is wrong with the properties."""
        return base.checks(context, base.DATABASE, base.COLUMNS)

    def transform(self, context: Any, flowfile: Any) -> Any:
        """Load."""

        def job() -> work.Outcome:
            if base.text(context, self.SOURCE) != "content":
                return self.load(context, flowfile, base.text(context, self.PATH, flowfile))
            name = f"{flowfile.getAttribute('uuid')}-{flowfile.getAttribute('filename')}"
            folder = os.path.abspath(base.text(context, self.SPOOL))
            with work.spooled(folder, name, bytes(flowfile.getContentsAsBytes())) as path:
                return self.load(context, flowfile, path)

        return base.result(self, job)

    def load(self, context: Any, flowfile: Any, path: str) -> work.Outcome:
        """Load a file, or the files of a glob."""
        delimiter = base.text(context, self.DELIMITER)
        return work.load(
            path,
            base.text(context, base.TARGET, flowfile),
            base.database(context, flowfile),
            format=base.chosen(context, base.FORMAT, "automatic"),
            csv={"delimiter": delimiter} if delimiter else None,
            job=base.text(context, base.JOB, flowfile),
            mode=base.text(context, base.MODE),
            key=work.names(base.text(context, base.KEY)),
            map=work.column_map(base.text(context, base.COLUMNS)),
            partition=base.text(context, base.UNIT),
            zone=base.text(context, base.ZONE, flowfile),
            workers=base.whole(context, base.WORKERS),
            batch_records=base.whole(context, base.BATCH),
        )
