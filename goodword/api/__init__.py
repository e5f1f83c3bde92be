"""HTTP for programs: the destination door, the tracking door, the server API door, and operations."""
