"""A real Connect worker, without connectors: test_airports_capture.py has one with Debezium's."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from stack import kafka
from stack.connect import ConnectError, Worker

pytestmark = pytest.mark.real


def test_a_worker_starts_takes_questions_and_comes_back(broker: kafka.Broker, tmp_path: Path) -> None:
    with Worker(tmp_path / "connect", broker, group="test-connect", java_options=[kafka.QUICK]) as worker:
        process = worker.process
        assert process is not None
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
        assert worker.rest.connectors() == []
        assert worker.rest.status("nobody") is None
        assert not worker.rest.delete("nobody")
        with pytest.raises(ConnectError, match="Failed to find any class"):
            worker.rest.register("one", {"connector.class": "NoSuchConnector", "topics": "a"})
        hidden = worker.secret("database", "Dromedary7")
        assert "Dromedary7" not in hidden
        assert worker.secrets.stat().st_mode & 0o077 == 0

        port = worker.port
        worker.kill()
        assert worker.process is None
        worker.start()
        assert worker.port == port
        assert worker.rest.connectors() == []
    assert not process.alive()
    assert "Dromedary7" not in worker.log.read_text()
