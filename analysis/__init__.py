"""From records to evidence: tables, tests, figures and the report.

Reads Parquet only; knows no torch, Ray or MLflow. Compute first, draw after: every number in a report stands
in
`report.json` before a table or figure shows it.
"""
