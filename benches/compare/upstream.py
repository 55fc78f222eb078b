"""The upstream that every gateway stands in front of: nginx, answering as the API would.

A Service is 671 bytes, a Session 671 too; both carry the SID that was asked for, as a gateway may
look at what it passes on. Nothing else in them changes, so that the upstream costs little.
"""

import json

from load import ACCOUNT
from load import answers
from processes import find
from processes import free_port
from processes import wait_for

SIZE = 671
DATE = "2026-01-01T00:00:00Z"


def padded(resource, field):
    """The resource as JSON of SIZE bytes, once `$ks` (3 bytes) has become a SID (34)."""
    grows = 31 * json.dumps(resource).count("$ks")
    resource[field] += "x" * (SIZE - grows - len(json.dumps(resource)))
    return json.dumps(resource)


def service():
    url = "http://upstream/v1/Services/$ks"
    return padded({
        "sid": "$ks", "account_sid": ACCOUNT, "unique_name": "service $ks",
        "chat_instance_sid": None, "default_ttl": 3600, "callback_url": "https://example.com/",
        "geo_match_level": "country", "number_selection_behavior": "prefer-sticky",
        "intercept_callback_url": None, "out_of_session_callback_url": None,
        "date_created": DATE, "date_updated": DATE, "url": url,
        "links": {"sessions": f"{url}/Sessions", "phone_numbers": f"{url}/PhoneNumbers"},
    }, "callback_url")


def session():
    sid = "KC0000000000000000000000000000000c"
    url = f"http://upstream/v1/Services/$ks/Sessions/{sid}"
    return padded({
        "sid": sid, "service_sid": "$ks", "account_sid": ACCOUNT, "status": "open",
        "unique_name": "order ", "date_started": None, "date_ended": None,
        "date_last_interaction": None, "date_expiry": None, "ttl": 3600,
        "mode": "voice-and-message", "closed_reason": "", "date_created": DATE,
        "date_updated": DATE, "url": url,
        "links": {"participants": f"{url}/Participants"},
    }, "unique_name")


def nginx_folders(folder, name):
    """Where nginx writes: nothing outside of `folder`."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines = [f"{kind}_temp_path {folder}/{name}-{kind};" for kind in kinds]
    return " ".join(lines)


def start(stand):
    """Starts it; answers with the server and its port."""
    port, folder = free_port(), stand.folder
    configuration = folder / "upstream.conf"
    configuration.write_text(f"""
worker_processes auto; daemon off; pid {folder}/upstream.pid; error_log stderr;
events {{ worker_connections 10000; }}
http {{
  access_log off; default_type application/json; {nginx_folders(folder, "upstream")}
  keepalive_requests 1000000000; keepalive_timeout 1h; client_body_buffer_size 16k;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ "^/v1/Services/(?<ks>KS[0-9a-f]+)$" {{ return 200 '{service()}'; }}
    location ~ "^/v1/Services/(?<ks>KS[0-9a-f]+)/Sessions$" {{ return 201 '{session()}'; }}
    location / {{ return 404; }}
  }}
}}
""")
    server = stand.start("upstream", [find("nginx"), "-e", "stderr", "-c", configuration])
    wait_for(lambda: answers(port), server, "the upstream answers")
    return server, port
