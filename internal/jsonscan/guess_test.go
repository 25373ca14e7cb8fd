package jsonscan_test

import (
	"fmt"
	"testing"

	"edge/internal/jsonscan"
)

var guessed = paths("a b a.b a.b.c list .")

// scanBoth holds ScanAs against Scan, and says whether the payload looked as expected.
func scanBoth(t *testing.T, plan *jsonscan.Plan, g *jsonscan.Guess, payload string) bool {
	t.Helper()
	got, want := make([]jsonscan.Value, plan.Len()), make([]jsonscan.Value, plan.Len())
	as, err := plan.ScanAs(g, []byte(payload), 0, got)
	wantErr := plan.Scan([]byte(payload), 0, want)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%s: %v, want %v", payload, err, wantErr)
	}
	for i := range want {
		if g, w := show(got[i]), show(want[i]); g != w {
			t.Fatalf("%s: path %d is %s, want %s", payload, i, g, w)
		}
	}
	return as
}

func TestScanAs(t *testing.T) {
	for _, test := range []struct {
		first, next string
		as          bool
	}{
		{`{"a":{"b":1},"b":2}`, `{"a":{"b":3},"b":4}`, true},
		{`{"a":{"b":1},"b":2}`, `{"a":3,"b":4}`, true},               // the same keys, on other levels, and one left out
		{`{"a":1,"b":2}`, `{"a":{"b":4}}`, false},                    // likewise
		{`{"x":{"b":1},"b":2}`, `{"x":1,"b":4}`, true},               // one may be left out
		{`{"x":1,"a":2,"b":3}`, `{"x":1,"b":4}`, true},               // likewise
		{`{"a":1,"b":2}`, `{"b":1,"a":2}`, false},                    // another order
		{`{"a":1,"b":2}`, `{"a":1,"new":[{"a":1}],"b":2}`, false},    // one more
		{`{"a": 1, "b": 2}`, `{"a":  1 , "b": 2 }`, true},            // white space
		{`{"a": 1, "b": 2}`, `{"a":1,"b":2}`, false},                 // less of it
		{`{"a":1,"b":2}`, `{"a":1,"a":{"b":2},"b":3}`, false},        // a key twice
		{`{"a":1,"a":{"b":2},"b":3}`, `{"a":1,"a":{"b":2}}`, true},   // likewise
		{`{"\u0061":1,"b":2}`, `{"\u0061":5,"b":2}`, true},           // escapes
		{`{"list":[{"a":1}],"b":2}`, `{"list":[{},{}],"b":2}`, true}, // lists differ
		{`{"a":1,"b":2}`, `{"a":`, true},                             // no JSON
		{`{"a":1,"b":2}`, `{"a":1,"b"`, true},
		{`{"a":1,"b":2}`, `{"a":1,"b":}`, true},
		{`{"a":1,"b":2}`, `[]`, true},
		{`7`, `{"a":1}`, true}, // there was nothing to learn from
	} {
		plan, g := jsonscan.NewPlan(guessed), &jsonscan.Guess{}
		if !scanBoth(t, plan, g, test.first) {
			t.Errorf("%s: the first one cannot be wrong", test.first)
		}
		if as := scanBoth(t, plan, g, test.next); as != test.as {
			t.Errorf("%s then %s: as expected is %t", test.first, test.next, as)
		}
		scanBoth(t, plan, g, test.first)
	}
}

// TestScanAsLearns: what differs often enough in a row is what is expected from then on.
func TestScanAsLearns(t *testing.T) {
	plan, g := jsonscan.NewPlan(guessed), &jsonscan.Guess{}
	scanBoth(t, plan, g, `{"a":1,"b":2}`)
	wrong := 0
	for !scanBoth(t, plan, g, `{"b":2,"a":1}`) {
		if wrong++; wrong > 100 {
			t.Fatal("it learns nothing")
		}
	}
	if !scanBoth(t, plan, g, `{"b":3,"a":4}`) || scanBoth(t, plan, g, `{"a":1,"b":2}`) {
		t.Error("it did not learn the new order")
	}
	many := `{"b":1`
	for i := range 1000 {
		many += fmt.Sprintf(`,"k%d":%d`, i, i)
	}
	many += `,"a":7}`
	g = &jsonscan.Guess{}
	scanBoth(t, plan, g, many)
	if !scanBoth(t, plan, g, many) {
		t.Error("what is beyond what it remembers counts as wrong")
	}
	if scanBoth(t, plan, g, `{"a":7,"b":1}`) {
		t.Error("of a payload with more than it remembers it has learnt nothing")
	}
}

func TestScanAsAllocatesNothing(t *testing.T) {
	plan, g := jsonscan.NewPlan(guessed), &jsonscan.Guess{}
	out := make([]jsonscan.Value, plan.Len())
	payload := []byte(`{"a":{"b":1},"b":"x"}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = plan.ScanAs(g, payload, 0, out) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzScanAs: whatever was learnt from one payload, another says what Scan says.
func FuzzScanAs(f *testing.F) {
	f.Add(`{"a":{"b":1},"b":2}`, `{"a":1,"b":2}`)
	f.Add(`{"a":{"b":{"c":1}},"list":[{"a":1}]}`, `{"a":{"b":{"c":1}},"a":{"b":2}}`)
	f.Add(`{"x":{"a":1},"a":{"x":{"b":1}}}`, `{"a":{"b":1},"x":{"a":1}}`)
	f.Fuzz(func(t *testing.T, first, next string) {
		plan, g := jsonscan.NewPlan(guessed), &jsonscan.Guess{}
		for _, payload := range []string{first, next, first, next} {
			scanBoth(t, plan, g, payload)
		}
	})
}
