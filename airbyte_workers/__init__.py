"""Run any Airbyte connector as a durable Temporal job."""

__version__ = "0.1.0"
