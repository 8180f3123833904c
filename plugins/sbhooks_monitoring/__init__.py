"""What ``sbhooks monitoring export`` writes: rules, dashboards and runbooks for a server."""
