"""What can be asked over HTTP and WebSocket, a module per topic."""
