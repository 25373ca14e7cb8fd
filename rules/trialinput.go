package rules

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"edge/engine"
	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
)

func hasWildcard(topic string) bool { return strings.ContainsAny(topic, "+#") }

// An incoming is a message that comes in during a test.
type incoming struct {
	pos           strictyaml.Pos
	at            time.Duration
	source, topic string // source may be "": the rule's
	payload       []byte
	meta          *metaSpec
	line          int // of the file it is from
}

// arrivals gives the messages of an input: one, or those of its file.
func (i *inputSpec) arrivals() ([]incoming, error) {
	one := incoming{pos: i.pos, at: i.At, source: textOrNone(i.Source), topic: textOrNone(i.Topic), meta: i.Meta}
	switch {
	case i.File != nil:
		return one.lines(*i.File)
	case i.PayloadBase64 != nil:
		one.payload, _ = base64.StdEncoding.DecodeString(*i.PayloadBase64) // was checked
	case i.Payload != nil:
		one.payload = payloadOf(i.Payload)
	}
	return []incoming{one}, nil
}

// maxTestFile bounds a file of messages: a test is not a load test.
const maxTestFile = 64 << 20

// A Line is a message of a file that has one in each line.
type Line struct {
	Number        int
	Source, Topic string // "" where the line does not say
	Payload       []byte
}

// ReadLines reads such a file as the input of a test does.
func ReadLines(name string) ([]Line, error) {
	const none = "\x00" // no topic is that
	list, err := incoming{topic: none}.lines(name)
	lines := make([]Line, len(list))
	for i, one := range list {
		lines[i] = Line{one.line, one.source, one.topic, one.payload}
		if one.topic == none {
			lines[i].Topic = ""
		}
	}
	return lines, err
}

// lines reads a file with one message a line: its payload, or an object with topic and payload.
func (a incoming) lines(name string) ([]incoming, error) {
	info, err := os.Stat(name)
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", name, wrong.Err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxTestFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d MiB", name, maxTestFile>>20)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []incoming
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxTestFile+1)
	for number := 1; scanner.Scan(); number++ {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		one := a
		one.line = number
		if wrapped, err := one.unwrap(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		} else if !wrapped {
			one.payload = bytes.Clone(line)
		}
		if one.topic == "" {
			return nil, fmt.Errorf(`%s:%d: no topic: give one to the input, or write {"topic": …, "payload": …}`, name, number)
		}
		list = append(list, one)
	}
	return list, scanner.Err()
}

// unwrap reads a line that is an object with topic and payload, and perhaps at and source, and nothing else.
func (a *incoming) unwrap(line []byte) (bool, error) {
	var parts map[string]json.RawMessage
	if json.Unmarshal(line, &parts) != nil || parts["topic"] == nil || parts["payload"] == nil {
		return false, nil
	}
	texts := map[string]string{}
	for name, raw := range parts {
		var text string
		isText := json.Unmarshal(raw, &text) == nil
		switch name {
		case "payload":
			if a.payload = bytes.Clone(raw); isText {
				a.payload = []byte(text)
			}
		case "topic", "at", "source":
			if !isText {
				return false, nil
			}
			texts[name] = text
		default:
			return false, nil
		}
	}
	a.topic = texts["topic"]
	if source, ok := texts["source"]; ok {
		a.source = source
	}
	if at, ok := texts["at"]; ok {
		after, err := strictyaml.ParseDuration(at)
		if err != nil || after < 0 {
			return true, fmt.Errorf("at wants a duration since the input's, such as \"30s\", not %q", at)
		}
		a.at += after
	}
	return true, nil
}

// message makes the message that the rules get.
func (a *incoming) message(now time.Time) *engine.Message {
	meta := &engine.Meta{Source: a.source, QoS: 1}
	if m := a.meta; m != nil {
		if m.QoS != nil {
			meta.QoS = *m.QoS
		}
		meta.Retain, meta.ContentType, meta.ResponseTopic = m.Retain, m.ContentType, m.ResponseTopic
		if m.CorrelationData != "" {
			meta.CorrelationData = []byte(m.CorrelationData)
		}
		for _, p := range m.Properties {
			meta.Properties = append(meta.Properties, engine.Header{Name: p.Key, Value: p.Value})
		}
	}
	m := &engine.Message{Topic: a.topic, Key: a.topic, Payload: a.payload, Received: now, Meta: meta}
	m.Receive(nil)
	return m
}

// payloadOf gives what YAML stands for: text as it is, all else as JSON.
func payloadOf(n *yaml.Node) []byte {
	if isText(n) {
		return []byte(n.Value)
	}
	payload, _, _ := appendYAML(nil, n) // was checked
	return payload
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!str" }

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// appendYAML writes a node as JSON, with its keys in their order and its numbers as they are written. An error
// comes with the node that it is about.
func appendYAML(dst []byte, n *yaml.Node) ([]byte, *yaml.Node, error) {
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendString(dst, n.Content[i].Value), ':')
			var wrong *yaml.Node
			var err error
			if dst, wrong, err = appendYAML(dst, n.Content[i+1]); err != nil {
				return dst, wrong, err
			}
		}
		return append(dst, '}'), nil, nil
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			var wrong *yaml.Node
			var err error
			if dst, wrong, err = appendYAML(dst, item); err != nil {
				return dst, wrong, err
			}
		}
		return append(dst, ']'), nil, nil
	}
	return appendYAMLScalar(dst, n)
}

func appendYAMLScalar(dst []byte, n *yaml.Node) ([]byte, *yaml.Node, error) {
	switch n.Tag {
	case "!!null":
		return append(dst, "null"...), nil, nil
	case "!!bool":
		return strconv.AppendBool(dst, strings.EqualFold(n.Value, "true")), nil, nil
	case "!!int", "!!float":
		if jsonNumber.MatchString(n.Value) {
			return append(dst, n.Value...), nil, nil
		}
	default:
		return jsonscan.AppendString(dst, n.Value), nil, nil
	}
	if i, err := strconv.ParseInt(strings.TrimPrefix(n.Value, "+"), 0, 64); n.Tag == "!!int" && err == nil {
		return strconv.AppendInt(dst, i, 10), nil, nil
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		if dst, ok := jsonscan.AppendFloat(dst, f); ok {
			return dst, nil, nil
		}
	}
	return dst, n, fmt.Errorf("JSON has no number %s", n.Value)
}

// ShortDuration writes a duration as rule files do: 2m, not 2m0s.
func ShortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
