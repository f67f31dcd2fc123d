"""The figures on their way out of the house: fetched by Prometheus, or sent by OpenTelemetry.

What they are stands in `core.metrics`, how they come about in `core.telemetry`, where they are read in `engine.watching`.
"""
