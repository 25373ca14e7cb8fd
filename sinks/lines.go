package sinks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// appendJSON appends payload as JSON on one line, so that a line or an element of an array is a message
// whatever it holds: JSON stays as it is but for line breaks, text becomes a JSON string, and bytes that
// are no text become {"payload_base64": "..."}.
func appendJSON(b, payload []byte) []byte {
	switch {
	case json.Valid(payload):
		if bytes.IndexByte(payload, '\n') < 0 && bytes.IndexByte(payload, '\r') < 0 {
			return append(b, payload...)
		}
		out := bytes.NewBuffer(b)
		json.Compact(out, payload) // valid: cannot fail
		return out.Bytes()
	case utf8.Valid(payload):
		text, _ := json.Marshal(string(payload)) // text: cannot fail
		return append(b, text...)
	}
	b = append(b, `{"payload_base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, payload)
	return append(b, `"}`...)
}
