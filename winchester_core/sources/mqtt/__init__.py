"""The `mqtt` source: messages of MQTT topics."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.mqtt.source import MqttSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "mqtt", "mqtt", error) from error

__all__ = ["MqttSource"]
