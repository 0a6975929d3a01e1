"""Health check of a container: the exit status is 0 if its program is ready, else 1.

It requests ``/readyz`` at the port of the environment variable WINCHESTER_METRICS_LISTEN.
"""

import http.client
import os
import sys

TIMEOUT_SECONDS = 5


def main() -> int:
    """Print the response and return the exit status."""
    port = int(os.environ["WINCHESTER_METRICS_LISTEN"].rpartition(":")[2])
    # not urllib, which would send the request to the proxy of the environment
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        print(response.status, response.read().decode().strip())
    except OSError as error:
        print(f"port {port}: {error}")
        return 1
    finally:
        connection.close()
    return 0 if response.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
