package rules

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"edge/engine"
	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
)

var metaNames = []string{"source", "qos", "retain", "received", "properties", "content_type", "response_topic", "correlation_data"}

// metaOf reads one thing that a source knows about a message beside its payload. What is not there is null.
func metaOf(m *engine.Message, name string) Value {
	if name == "received" {
		return intValue(m.Received.UnixMilli())
	}
	meta := m.Meta
	if meta == nil {
		return null
	}
	if name == "source" {
		return stringValue(meta.Source)
	}
	if meta == localMeta {
		return null
	}
	switch name {
	case "qos":
		return intValue(int64(meta.QoS))
	case "retain":
		return boolValue(meta.Retain)
	case "content_type":
		return textOrNull(meta.ContentType)
	case "response_topic":
		return textOrNull(meta.ResponseTopic)
	case "correlation_data":
		if meta.CorrelationData == nil {
			return null
		}
		if utf8.Valid(meta.CorrelationData) {
			return stringValue(string(meta.CorrelationData))
		}
		return stringValue(base64.StdEncoding.EncodeToString(meta.CorrelationData))
	case "properties":
		object := make(map[string]any, len(meta.Properties))
		for _, property := range meta.Properties {
			object[property.Name] = property.Value
		}
		return boxed(object)
	}
	return null
}

func textOrNull(s string) Value {
	if s == "" {
		return null
	}
	return stringValue(s)
}

func metaField(path []string, at int) (evaluator, *sourceError) {
	if len(path) == 0 {
		return func(c *scope) (Value, error) {
			object := make(map[string]any, len(metaNames))
			for _, name := range metaNames {
				if v := metaOf(c.message, name); !v.isNull() {
					object[name] = v.box()
				}
			}
			return boxed(object), nil
		}, nil
	}
	name := path[0]
	if !slices.Contains(metaNames, name) {
		if hint := strictyaml.Suggest(name, metaNames); hint != "" {
			return nil, sourceErrorf(at, "meta has no %s, did you mean meta.%s?", name, hint)
		}
		return nil, sourceErrorf(at, "meta has no %s; it has %s", name, strings.Join(metaNames, ", "))
	}
	if name == "properties" && len(path) == 2 {
		property := path[1]
		return func(c *scope) (Value, error) {
			found := null
			if c.message.Meta != nil {
				for _, p := range c.message.Meta.Properties {
					if p.Name == property {
						found = stringValue(p.Value)
					}
				}
			}
			return found, nil
		}, nil
	}
	return members(func(c *scope) (Value, error) { return metaOf(c.message, name), nil }, path[1:]), nil
}

// appendMeta writes what is known about a message, for dead letters.
func appendMeta(dst []byte, m *engine.Message) []byte {
	dst = append(dst, '{')
	for i, name := range metaNames {
		v := metaOf(m, name)
		if v.isNull() || name == "source" || name == "properties" && len(m.Meta.Properties) == 0 {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(jsonscan.AppendString(dst, metaNames[i]), ':')
		dst, _ = v.appendJSON(dst, nil)
	}
	return append(dst, '}')
}
