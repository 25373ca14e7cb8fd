package mqttconn

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckFilter(t *testing.T) {
	for _, f := range []string{"a", "/", "#", "+", "a/+/b", "a/#", "+/#", "$share/g/a/+", "$share/g/#", "$SYS/#", "a b/ü"} {
		if err := CheckFilter(f); err != nil {
			t.Errorf("%q: %v", f, err)
		}
	}
	for _, f := range []string{"", "a#", "a/#/b", "a+", "a/b+", "#/a", "$share/g", "$share//a", "$share/+/a", "$share/g/", "a\x00", "a\xff"} {
		if CheckFilter(f) == nil {
			t.Errorf("%q was accepted", f)
		}
	}
}

func TestCheckTopic(t *testing.T) {
	for _, topic := range []string{"a", "/", "a//b", "a b", "$x"} {
		if err := CheckTopic(topic); err != nil {
			t.Errorf("%q: %v", topic, err)
		}
	}
	for _, topic := range []string{"", "a/+", "#", "a\x00", "a\xff", strings.Repeat("a", 65536), strings.Repeat("/", 200)} {
		if CheckTopic(topic) == nil {
			t.Errorf("%.20q was accepted", topic)
		}
	}
}

func TestCoversAndOverlaps(t *testing.T) {
	tests := []struct {
		a, b             string
		covers, overlaps bool
	}{
		{"a/b", "a/b", true, true},
		{"a/b", "a/c", false, false},
		{"#", "a/b/c", true, true},
		{"a/#", "a", true, true},
		{"a/#", "a/b/#", true, true},
		{"a/b/#", "a/#", false, true},
		{"a/+", "a/b", true, true},
		{"a/+", "a/#", false, true},
		{"a/#", "a/+", true, true},
		{"a/+", "+/b", false, true},
		{"+/+", "a/#", false, true},
		{"+/b/#", "a/+", false, true},
		{"+/b/#", "a", false, false},
		{"a/+", "a", false, false},
		{"a/+/c", "a/b", false, false},
		{"a/b/c/#", "a/b/c", true, true},
		{"#", "$SYS/a", false, false},
		{"+/a", "$SYS/a", false, false},
		{"$SYS/#", "$SYS/a", true, true},
		{"#", "+", true, true},
	}
	for _, test := range tests {
		if got := covers(test.a, test.b); got != test.covers {
			t.Errorf("covers(%q, %q) = %v", test.a, test.b, got)
		}
		if overlaps(test.a, test.b) != test.overlaps || overlaps(test.b, test.a) != test.overlaps {
			t.Errorf("overlaps(%q, %q) is not %v", test.a, test.b, test.overlaps)
		}
	}
}

func TestCover(t *testing.T) {
	tests := []struct{ filters, want string }{
		{"a/b a/# a/+ c", "a/# c"},
		{"a/+ +/b", "a/+ +/b"},
		{"a a a", "a"},
		{"# a/b $SYS/x", "# $SYS/x"},
		{"$share/g/a/# $share/g/a/b a/b $share/h/a/b", "$share/g/a/# a/b $share/h/a/b"},
	}
	for _, test := range tests {
		if got := cover(strings.Fields(test.filters)); !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("cover(%s) = %q, want %s", test.filters, got, test.want)
		}
	}
}

func TestGuessFilter(t *testing.T) {
	topic := "hospital/H1/device/r-1/status"
	for _, f := range []string{
		"#", "hospital/#", "hospital/+/device/+/status", "+/+/+/+/+", "hospital/H1/device/r-1/status",
		"hospital/+/device/+/status/#", "$share/g/hospital/+/#",
	} {
		if got, found := guessFilter(topic, subscriptionID(f), []string{"", "g"}); !found || got != f {
			t.Errorf("%s: got %q", f, got)
		}
	}
	for _, f := range []string{"other/#", "hospital/+", "hospital/+/device/+/status/+", "$share/h/#"} {
		if got, found := guessFilter(topic, subscriptionID(f), []string{"", "g"}); found {
			t.Errorf("%s: got %q", f, got)
		}
	}
}

func TestDefaultClientIDStays(t *testing.T) {
	if a := defaultClientID("a"); a != defaultClientID("a") || a == defaultClientID("b") || !strings.HasPrefix(a, "edge-a-") {
		t.Error(a)
	}
}

func TestParseURL(t *testing.T) {
	good := map[string]string{
		"mqtt://host": "mqtt://host:1883", "mqtts://[::1]": "mqtts://[::1]:8883",
		"ws://host/mqtt?x=1": "ws://host:80/mqtt?x=1", "wss://host:444": "wss://host:444",
	}
	for in, want := range good {
		if u, err := ParseURL(in); err != nil || u.String() != want {
			t.Errorf("%s: %v %v", in, u, err)
		}
	}
	for _, in := range []string{"host:1883", "tcp://host", "http://host", "mqtt://", "mqtt://u:k9-canary@host", "mqtt://host/path", "mqtt://k9-canary:%zz@x"} {
		if _, err := ParseURL(in); err == nil || strings.Contains(err.Error(), "k9-canary") {
			t.Errorf("%s: %v", in, err)
		}
	}
}
