package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestHTTPOutage: the server is away, is busy, answers half; nothing is lost, each device's messages stay in order,
// and what it refuses for good holds up nothing.
func TestHTTPOutage(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 7)
	w := newWeb(t, o)
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks:\n  out: {http: {url: %q}, retry: {backoff: 20ms..200ms}}\n  dead: {file: {path: dead.jsonl}}", w.url()),
		strings.Replace(rule(`{to: out}`), "    headers:", "    on_error: {to: dead}\n    headers:", 1))
	b.start()
	p := o.publisher(broker.Addr())
	p.publish(70)

	// Cut in the middle, and gone for a while.
	before := o.count()
	done := p.background(700)
	waitFor(t, "some came out", func() bool { return o.count() > before+50 })
	w.down()
	<-done
	p.publish(70)
	b.until("the sink is known to be down", func() bool { return b.metric(`edge_sink_up{sink="out"}`) == 0 })
	b.until("/readyz says why", func() bool { // at first it is that the connection was cut
		_, body := b.get("/readyz")
		return strings.Contains(body, `"out"`) && strings.Contains(body, "connection refused")
	})
	w.up()
	o.check(false)

	// Answers that mean: not now.
	calls := 0
	w.answers(func(out http.ResponseWriter, r *http.Request, body string) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		calls++
		switch n := calls; {
		case n == 5:
			out.Header().Set("Retry-After", "1")
			out.WriteHeader(http.StatusTooManyRequests)
		case n%7 == 0:
			out.WriteHeader(http.StatusServiceUnavailable)
		case n%11 == 0:
			out.WriteHeader(http.StatusInternalServerError)
		case n%13 == 0: // a promise of more than it sends
			out.Header().Set("Content-Length", "100")
			out.WriteHeader(http.StatusBadGateway)
		case n%17 == 0:
			panic(http.ErrAbortHandler) // no answer at all
		default:
			return false
		}
		return true
	})
	p.publish(700)
	o.check(false)
	b.settled("pass", 1540)

	// One that means: never.
	w.answers(func(out http.ResponseWriter, r *http.Request, body string) bool {
		if device, _, _ := identify(body); device != 3 {
			return false
		}
		out.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	})
	p.publish(7)
	b.until("the refused one is a dead letter", func() bool { return strings.HasSuffix(b.read("dead.jsonl"), "\n") })
	var letter struct{ Rule, Class, Error, Payload string }
	if err := json.Unmarshal([]byte(b.read("dead.jsonl")), &letter); err != nil {
		t.Fatal(err)
	}
	if letter.Rule != "pass" || letter.Class != "rejected" || !strings.Contains(letter.Error, "413") || letter.Payload != payloadOf(3, 220) {
		t.Errorf("letter %+v", letter)
	}
	b.settled("pass", 1546)
	if book := b.book("pass"); book.Error != 1 || book.Errors["rejected"] != 1 {
		t.Errorf("book %+v", book)
	}
	b.stop()
}
