package mqttconn

import "fmt"

// reasonWords are MQTT's reason codes in the words of who must act on them.
var reasonWords = map[byte]string{
	0x10: "no one has subscribed to it",
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "the broker's own reasons (implementation specific error)",
	0x84: "the broker does not speak MQTT 5",
	0x85: "the broker does not accept this client_id",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "the broker is not available",
	0x89: "the broker is busy",
	0x8a: "this client is banned",
	0x8b: "the broker is shutting down",
	0x8c: "bad authentication method",
	0x8d: "keepalive timeout: the broker has heard nothing from us",
	0x8e: "another client has connected with the same client_id",
	0x8f: "the broker does not accept this topic filter",
	0x90: "the broker does not accept this topic",
	0x91: "packet identifier in use",
	0x92: "packet identifier not found",
	0x93: "more messages in flight than allowed (receive maximum exceeded)",
	0x94: "topic alias invalid",
	0x95: "packet too large",
	0x96: "message rate too high",
	0x97: "quota exceeded",
	0x98: "closed by the broker's administrator",
	0x99: "payload format invalid",
	0x9a: "the broker does not support retained messages",
	0x9b: "the broker does not support this QoS",
	0x9c: "use another broker",
	0x9d: "the broker has moved",
	0x9e: "the broker does not support shared subscriptions",
	0x9f: "connecting too often",
	0xa0: "maximum connect time reached",
	0xa1: "the broker does not support subscription identifiers",
	0xa2: "the broker does not support wildcards",
}

// A ReasonError is a reason code by which the broker refused something.
type ReasonError struct {
	Doing  string // what was refused: "refused the connection"
	Code   byte
	Reason string // the broker's own words, often none
}

func (e *ReasonError) Error() string {
	words, known := reasonWords[e.Code]
	if !known {
		words = "unknown reason"
	}
	if e.Reason != "" && e.Reason != words {
		words += fmt.Sprintf(" (%q)", e.Reason)
	}
	return fmt.Sprintf("the broker %s: %s, code 0x%02x", e.Doing, words, e.Code)
}
