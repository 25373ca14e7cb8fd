package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"edge/internal/hospital"
	"edge/internal/jsonscan"
	"edge/internal/mqttconn"
	"edge/rules"
)

// A traffic is the messages that edge bench sends, one after the other and again.
type traffic struct {
	what     string // for the report
	messages []benchMessage
	bytes    int64
}

// A benchMessage is what of it stays the same each time it is sent.
type benchMessage struct {
	line          int // of its file; 0: it is of none
	source, topic string
	key           int // of the topic
	parts         []piece
	expected      bool // it must come out
}

// A piece of a payload is some of its bytes, and what comes after them.
type piece struct {
	text []byte
	then hole
}

// A hole is where a payload gets something of its own each time.
type hole uint8

const (
	nothing hole = iota
	number       // running
	millis       // the time, as Unix ms
)

// payload appends what is sent as message i.
func (m *benchMessage) payload(dst []byte, i int64, at time.Time) []byte {
	for _, p := range m.parts {
		dst = append(dst, p.text...)
		switch p.then {
		case number:
			dst = strconv.AppendInt(dst, i, 10)
		case millis:
			dst = strconv.AppendInt(dst, at.UnixMilli(), 10)
		}
	}
	return dst
}

// at is the message that is sent with number i.
func (t *traffic) at(i int64) *benchMessage { return &t.messages[i%int64(len(t.messages))] }

// A field of a payload that is overwritten.
type field struct {
	path []string
	with hole
}

func fieldAt(path string, with hole) (field, error) {
	f := field{strings.Split(path, "."), with}
	for _, name := range f.path {
		if name == "" {
			return f, fmt.Errorf("wants the name of a field, such as seq or header.seq, not %q", path)
		}
	}
	return f, nil
}

// newTraffic makes the messages that o asks for. strict wants a number in each.
func (o *benchOptions) newTraffic(strict bool) (*traffic, error) {
	fields := []field{o.idField}
	var lines []rules.Line
	t := &traffic{}
	switch {
	case o.messages != "":
		t.what = "messages of " + o.messages
		var err error
		if lines, err = o.readLines(); err != nil {
			return nil, err
		}
	default:
		t.what = fmt.Sprintf("messages of %d devices of the built-in hospital", o.devices)
		lines = hospitalLines(o.devices)
		if o.ts == "" {
			fields = append(fields, field{[]string{"ts"}, millis})
		}
	}
	if o.ts != "" {
		fields = append(fields, o.tsField)
	}
	keys := map[string]int{}
	for _, line := range lines {
		m, err := newBenchMessage(line, fields, strict)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place(o.messages, line.Number), err)
		}
		key, known := keys[line.Topic]
		if !known {
			key = len(keys)
			keys[line.Topic] = key
		}
		m.key = key
		t.bytes += int64(len(line.Payload) + len(line.Topic))
		t.messages = append(t.messages, m)
	}
	return t, t.judge(o)
}

func place(file string, line int) string {
	if file == "" {
		return "the built-in hospital"
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// judge finds out which of the messages must come out.
func (t *traffic) judge(o *benchOptions) error {
	if o.expect == "" {
		for i := range t.messages {
			t.messages[i].expected = true
		}
		return nil
	}
	condition, err := rules.CompileCondition(o.expect, benchEnv())
	if err != nil {
		return fmt.Errorf("--expect: %w", err)
	}
	some := false
	for i := range t.messages {
		m := &t.messages[i]
		m.expected, err = condition.Holds(m.topic, m.payload(nil, int64(i), time.Now()))
		if err != nil {
			return fmt.Errorf("--expect: of the message %s: %w", place(o.messages, m.line), err)
		}
		some = some || m.expected
	}
	if !some {
		return fmt.Errorf("--expect %q is true for none of the %s", o.expect, t.what)
	}
	return nil
}

func benchEnv() rules.Env { return rules.Env{Getenv: os.LookupEnv, Payload: maxPayload} }

// readLines reads the file of messages, and gives those without a topic the one of --topic.
func (o *benchOptions) readLines() ([]rules.Line, error) {
	lines, err := rules.ReadLines(o.messages)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s has no message; write one a line: a payload, or {\"topic\": …, \"payload\": …}", o.messages)
	}
	var topic *rules.Topic
	if o.topic != "" {
		if topic, err = rules.CompileTopic(o.topic, benchEnv()); err != nil {
			return nil, fmt.Errorf("--topic: %w", err)
		}
	}
	for i := range lines {
		line := &lines[i]
		if line.Topic == "" {
			if topic == nil {
				return nil, fmt.Errorf(`%s:%d: no topic: give one with --topic, or write {"topic": …, "payload": …}`, o.messages, line.Number)
			}
			if line.Topic, err = topic.Of(line.Payload); err != nil {
				return nil, fmt.Errorf("%s:%d: --topic: %w", o.messages, line.Number, err)
			}
		}
		if err := mqttconn.CheckTopic(line.Topic); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", o.messages, line.Number, err)
		}
	}
	return lines, nil
}

// hospitalLines are the messages of the hospital: of each device several, but of very many devices only one.
func hospitalLines(devices int) []rules.Line {
	h := hospital.New(devices, 1) // always the same
	rounds := max(1, min(20, 20_000/devices))
	lines := make([]rules.Line, 0, devices*rounds)
	for range devices * rounds {
		topic, payload := h.Next(time.Now())
		lines = append(lines, rules.Line{Topic: topic, Payload: payload})
	}
	return lines
}

// newBenchMessage takes the payload of a line apart where fields are overwritten. One that is no object stays as it is, unless strict.
func newBenchMessage(line rules.Line, fields []field, strict bool) (benchMessage, error) {
	m := benchMessage{line: line.Number, source: line.Source, topic: line.Topic}
	err := jsonscan.Valid(line.Payload, 0)
	v := jsonscan.Value{}
	if err == nil {
		v = jsonscan.Parse(line.Payload)
	}
	if v.Kind != jsonscan.Object {
		if strict {
			return m, errors.Join(errors.New("the payload is no JSON object, so it cannot carry the number by which its outputs are known"), err)
		}
		m.parts = []piece{{text: line.Payload}}
		return m, nil
	}
	var b opener
	if err := b.object(v.Raw, fields); err != nil {
		return m, err
	}
	m.parts = append(b.parts, piece{text: b.text})
	return m, nil
}

// An opener writes an object anew, with holes.
type opener struct {
	parts []piece
	text  []byte
}

func (b *opener) hole(h hole) {
	b.parts = append(b.parts, piece{b.text, h})
	b.text = nil
}

func (b *opener) object(raw []byte, fields []field) (err error) {
	found := make([]bool, len(fields))
	separator := byte('{')
	begin := func(rawKey []byte) {
		b.text = append(b.text, separator)
		b.text = append(append(b.text, rawKey...), ':')
		separator = ','
	}
	jsonscan.EachKey(raw, func(key string, rawKey []byte, v jsonscan.Value) bool {
		begin(rawKey)
		var inner []field
		for i, f := range fields {
			switch {
			case f.path[0] != key:
			case len(f.path) == 1:
				found[i] = true
				b.hole(f.with)
				return true
			case v.Kind != jsonscan.Object:
				err = fmt.Errorf("%s is no object, so there can be no %s", key, strings.Join(f.path, "."))
				return false
			default:
				found[i] = true
				inner = append(inner, field{f.path[1:], f.with})
			}
		}
		if inner != nil {
			err = b.object(v.Raw, inner)
			return err == nil
		}
		b.text = append(b.text, v.Raw...)
		return true
	})
	if err != nil {
		return err
	}
	for i, f := range fields {
		if found[i] {
			continue
		}
		if len(f.path) > 1 {
			return fmt.Errorf("there is no %s, so there can be no %s", f.path[0], strings.Join(f.path, "."))
		}
		begin(jsonscan.AppendString(nil, f.path[0]))
		b.hole(f.with)
	}
	if separator == '{' {
		b.text = append(b.text, '{')
	}
	b.text = append(b.text, '}')
	return nil
}
