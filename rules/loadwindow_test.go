package rules

import (
	"strings"
	"testing"
)

func TestWindowErrors(t *testing.T) {
	const out = "    route: [{to: dead}]\n"
	const count = "    aggregate: {n: count()}\n"
	window := func(w string) string { return head + "    window: {" + w + "}\n" + count + out }
	for _, test := range []struct{ text, want string }{
		{window("size: 1m"), `5:13: "type" is missing in rules.r.window`},
		{window("type: tumbling"), "5:13: rule \"r\": window: type tumbling needs size:, such as size: 1m"},
		{window("type: hopping, size: 1m"), "window: type hopping needs hop:"},
		{window("type: session"), "window: type session needs gap:"},
		{window("type: count"), "window: type count needs count:"},
		{window("type: tumling, size: 1m"), "5:20: rule \"r\": window: type wants tumbling, hopping, sliding, session or count, not \"tumling\", did you mean tumbling?"},
		{window("type: tumbling, size: 1m, hop: 10s"), "hop does not go with type tumbling: it is for hopping and count windows; to overlap, write type: hopping"},
		{window("type: tumbling, size: 1m, gap: 10s"), "gap does not go with type tumbling: it is for session windows"},
		{window("type: sliding, size: 1m, offset: 10s"), "offset does not go with type sliding: only tumbling and hopping windows are aligned to the clock"},
		{window("type: session, gap: 1m, size: 10s"), "size does not go with type session"},
		{window("type: session, gap: 1m, max_duration: 10s"), "max_duration is below gap"},
		{window("type: count, count: 5, timestamp: payload.ts"), "timestamp does not go with type count"},
		{window("type: count, count: 0"), "count wants a number of messages"},
		{window("type: count, count: 5, hop: 1s"), "hop of a count window wants a number of messages"},
		{window("type: count, count: 5, size: 1s"), "size does not go with type count"},
		{window("type: tumbling, size: 1m, count: 5"), "count does not go with type tumbling"},
		{window("type: tumbling, size: 1m, max_duration: 5m"), "max_duration does not go with type tumbling"},
		{window("type: tumbling, size: 0s"), "size wants a duration of at least 1ms, not 0s"},
		{window("type: tumbling, size: -1s"), "size wants a duration of at least 1ms"},
		{window("type: tumbling, size: 1500us"), "size wants whole milliseconds, not 1.5ms"},
		{window("type: tumbling, size: 100000d"), "size is above ten years"},
		{window("type: hopping, size: 1d, hop: 1s"), "5:44: rule \"r\": window: each message would be in 86400 windows, at most 1440 are allowed: raise hop or lower size"},
		{window("type: hopping, size: 1d, hop: 5"), "hop wants a duration such as 10s, not \"5\""},
		{window("type: hopping, size: 1d, hop: 0s"), "hop wants a duration of at least 1ms"},
		{window("type: count, count: 100000, hop: 1"), "each message would be in 100000 windows"},
		{window("type: tumbling, size: 1m, grace: 5s"), "grace is of event time and needs timestamp:"},
		{window("type: tumbling, size: 1m, idle_timeout: 5s"), "idle_timeout is of event time and needs timestamp:"},
		{window("type: tumbling, size: 1m, max_ahead: 5s"), "max_ahead is of event time and needs timestamp:"},
		{window("type: tumbling, size: 1m, timestamp_unit: s"), "timestamp_unit is of event time and needs timestamp:"},
		{window("type: tumbling, size: 1m, on_late: {to: dead}"), "on_late is of event time and needs timestamp:"},
		{window("type: tumbling, size: 1m, timestamp: payload.ts, grace: -5s"), "grace cannot be below zero"},
		{window("type: tumbling, size: 1m, timestamp: payload.ts, timestamp_unit: us"), "timestamp_unit wants ms or s, not \"us\""},
		{window("type: tumbling, size: 1m, timestamp: paylod.ts"), "window.timestamp: unknown name paylod, did you mean payload?"},
		{window("type: tumbling, size: 1m, timestamp: payload.ts, on_late: {to: ded}"), "no sink \"ded\", did you mean \"dead\"?"},
		{window("type: tumbling, size: 1m, timestamp: payload.ts, on_late: {to: mq}"), "window.on_late: sink \"mq\" needs topic:"},
		{window("type: tumbling, sise: 1m"), "unknown key \"sise\" in rules.r.window, did you mean size?"},
		{head + "    window: {type: tumbling, size: 1m}\n" + out, "window needs aggregate:"},
		{head + "    window: {type: tumbling, size: 1m}\n    map: {a: payload.a}\n" + out, "map and window exclude each other"},
		{head + count + out, "5:16: rule \"r\": aggregate needs window:"},
		{head + "    having: out.n > 1\n" + out, "having is a condition on the result of a window, and there is no window:"},
		{head + "    window: {type: tumbling, size: 1m}\n    absent: {for: 1m}\n" + count + out, "absent and window exclude each other"},
		{head + "    window: {type: tumbling, size: 1m}\n    having: payload.n > 1\n" + count + out, "having: payload is of one message, and a window has many"},
		{head + "    window: {type: tumbling, size: 1m}\n    id: topic\n" + count + out, "id: topic is of one message"},
		{head + "    window: {type: tumbling, size: 1m}\n    headers: {a: meta.qos}\n" + count + out, "headers.a: meta is of one message"},
		{head + "    window: {type: tumbling, size: 1m}\n" + count + "    route: [{to: mq, topic: \"a/{{ params.id }}\"}]\n", "route[0].topic: params is of one message"},
		{head + "    when: window.start > 1\n" + out, "window is of a rule with window:"},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(test.text)}}, testEnv)
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), test.want) || len(errs) != 1 {
			t.Errorf("%s\ngot  %v\nwant %s", test.text, err, test.want)
		}
	}
}
