"""A valid configuration whose files use every key."""

from __future__ import annotations

WINCHESTER = """\
config_path: [., more]
database: {url: "sqlite:///x.db"}
distiller_config: event_definitions.yaml
distiller_trait_plugins: {piece: split}
catch_all_notifications: false
trigger_definitions: triggers.yaml
event_sources:
  files:
    source: jsonl
    params: {path: spool, format: event, datetime_traits: [launched_at]}
    batch_size: 500
  web: {source: http}
  queue:
    source: rabbitmq
    params:
      queues: [info, {name: exists, exchange: nova, queue_type: quorum}]
      url: [amqp://one/, amqps://two/]
      tls: {server_name: rabbit}
      prefetch: 100
  cloud: {source: oslo, params: {priorities: [info, error], batch_seconds: 0.5}}
ingest_batch_size: 1000
pipeline_config: pipelines.yaml
pipeline_handlers: {report: logger}
pipeline_worker_delay: 1m 30s
pipeline_timeout: off
worker_name: one
lease_seconds: 60
max_attempts: 5
outbox_max_age: 7d
trim_events_age: $timestamp - 14d
clock: event
event_clock_max_jump: 1d
time_sync_endpoint:
log_level: Info
log_file: "%(proc_name)s.log"
"""

TRIGGERS = """\
- name: day
  debug_level: 1
  distinguished_by: [instance_id, {timestamp: day}]
  match_criteria:
    - event_type: ["compute.*", "!compute.exists"]
      timestamp: day
      map_distinguished_by: {timestamp: begun_at}
      traits:
        state: active
        number: 3
        share: 0.5
        is_whole: true
        memory: {int: "> 512"}
        load: {float: 0.9}
        amount: {numeric: "<= 1e6"}
        project: {string: "7"}
        launched_at: {datetime: $timestamp - 1d}
        host: {regex: "^web-[0-9]+$"}
        zone: {glob: "eu-*"}
        kind: {in: [a, 1, true]}
        cores: {range: {min: 1, max: 4.5}}
        seen_at: {range: {min: 2026-01-01T00:00:00}}
        deleted_at: {exists: false}
        address: {cidr: [10.0.0.0/8, "::/64"]}
        other: {not: {any: [x, {all: [{exists: true}, {glob: "y*"}]}]}}
  fire_criteria:
    - event_type: compute.exists
      number: 2
  expiration: $last + 2d
  fire_delay: 0
  fire_pipeline: verify
  expire_pipeline:
"""

PIPELINES = """\
verify:
  - logger
  - report
  - usage
  - name: logger
    params: {level: debug}
  - name: webhook
    params:
      url: https://hooks.example.org/
      event_types: ["compute.*", "!*.start"]
      send: stream
      timeout: 5
      headers: {Authorization: Bearer x}
      tls: {}
  - name: notabene
    params: {exchange: nova, queue_name: info, port: 5672, tls: true}
  - name: atompub
    params: {url: "http://feeds.example.org/nova", extra_info: {region: DFW}}
empty: []
"""

EVENT_DEFINITIONS = """\
- event_type: compute.*
  traits:
    tenant_id: {fields: [payload.tenant_id, _context_project_id]}
    memory: {fields: payload.memory, type: int}
    service: {fields: publisher_id, plugin: split}
    host:
      fields: publisher_id
      plugin: {name: piece, parameters: {segment: 1, max_split: 1}}
    flags:
      fields: payload.deleted_at
      plugin: {name: bitfield, parameters: {flags: [{path: payload.deleted_at, bit: 0}]}}
    power:
      fields: payload.state
      plugin: {name: map, parameters: {values: {active: up}}}
- {event_type: [image.*, "!image.old"], traits: {}}
"""

FILES = {
    "winchester": WINCHESTER,
    "triggers": TRIGGERS,
    "pipelines": PIPELINES,
    "event_definitions": EVENT_DEFINITIONS,
}
