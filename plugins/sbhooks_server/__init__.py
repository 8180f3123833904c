"""One application for browsers and programs: REST, WebSocket and pages, safe by default."""
