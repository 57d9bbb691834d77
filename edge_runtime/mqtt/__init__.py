"""Publishing the events of a listener to an MQTT broker, for Home Assistant and others."""
