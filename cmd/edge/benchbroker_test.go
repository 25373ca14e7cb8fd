package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/internal/brokertest"
	"edge/internal/mqttconn"
)

// An echo stands where edge does: what comes in on hospital/# goes out under out/, as each says for the nth message that came.
type echo struct{ *brokertest.Mosquitto }

type outgoing struct{ topic, payload string }

func newEcho(t *testing.T, each func(n int, in outgoing) []outgoing) *echo {
	t.Helper()
	e := &echo{brokertest.StartMosquitto(t, "set_tcp_nodelay true", "max_queued_messages 0")}
	c, err := mqttconn.New(mqttconn.Config{Options: mqttconn.Options{ClientID: "echo"}, URLs: []string{e.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe([]string{"hospital/#"}, 1); err != nil {
		t.Fatal(err)
	}
	in, done := make(chan outgoing, 100_000), make(chan struct{})
	c.Start(func(d *mqttconn.Delivery) bool {
		in <- outgoing{d.Message.Topic, string(d.Message.Payload)}
		d.Settle()
		return true
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case m := <-in:
				for _, out := range each(n, m) {
					if c.Send(ctx, &mqttconn.Outgoing{Topic: "out/" + out.topic, Payload: []byte(out.payload), QoS: 1}) != nil {
						return
					}
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		c.Close()
	})
	deadline := time.After(brokertest.Patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !c.Subscribed() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the echo does not subscribe")
		}
	}
	return e
}

func same(_ int, in outgoing) []outgoing { return []outgoing{in} }

func (e *echo) bench(t *testing.T, args ...string) (benchReport, int) {
	t.Helper()
	return benched(t, append([]string{"--broker", e.URL(), "--out", "out/#", "--wait", "20s"}, args...)...)
}

func TestBenchBroker(t *testing.T) {
	var again []outgoing // of the robot before, since nobody waits for what comes after the last that is expected
	e := newEcho(t, func(_ int, in outgoing) []outgoing {
		if !strings.Contains(in.payload, `"ROBOT"`) {
			return nil
		}
		out := append(again, in)
		again = []outgoing{{"again/" + in.topic, in.payload}} // two outputs of one input are no duplicates
		return out
	})
	for _, more := range [][]string{{"--qos", "1"}, {"--qos", "0", "--rate", "500", "--connections", "3"}} {
		r, code := e.bench(t, append(more, "-n", "500", "--expect", `payload.dataType == "ROBOT"`)...)
		o := r.Outputs
		if code != 0 || r.Mode != "broker" || r.Messages != 500 || o.Expected != 300 || o.Seen != 300 || o.Outputs != 599 ||
			o.Lost+o.Duplicates+o.OutOfOrder+o.Unexpected+o.Unnumbered != 0 || r.NotSent != 0 {
			t.Errorf("%v: exit %d, %+v %+v", more, code, r, o)
		}
		if r.Latency["p50"] <= 0 || r.PerSecond <= 0 || r.CPU != nil {
			t.Errorf("%+v", r)
		}
	}
}

// The process of edge is on this machine: what it used is in the report.
func TestBenchProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what another process uses is read from /proc, which this system has not")
	}
	e := newEcho(t, same)
	r, code := e.bench(t, "-n", "100", "--pid", strconv.Itoa(os.Getpid()))
	if code != 0 || r.CPU == nil || r.Busy == nil || r.Peak < 1<<20 {
		t.Errorf("exit %d, %+v", code, r)
	}
}

// One message is dropped, one comes twice, two of a device change places, and one comes that should not.
func TestBenchFindsFaults(t *testing.T) {
	var kept []outgoing
	e := newEcho(t, func(n int, in outgoing) []outgoing {
		switch n {
		case 100:
			return nil
		case 110:
			return []outgoing{in, in}
		case 120:
			kept = []outgoing{in}
			return nil
		case 121:
			return append([]outgoing{in}, kept...)
		case 130:
			return []outgoing{in, {"x", `{"no": "number"}`}}
		}
		return []outgoing{in}
	})
	r, code := e.bench(t, "-n", "300", "--devices", "1", "--wait", "5s")
	o := r.Outputs
	if code != 1 || o.Expected != 300 || o.Seen != 299 || o.Lost != 1 || o.Duplicates != 1 || o.OutOfOrder != 1 || o.Unnumbered != 1 || o.Outputs != 301 {
		t.Errorf("exit %d, %+v", code, o)
	}
	r, code = e.bench(t, "-n", "20", "--devices", "5", "--expect", `payload.dataType == "HIVE"`) // the last of five: then all have come
	if o := r.Outputs; code != 0 || o.Expected != 4 || o.Seen != 4 || o.Unexpected != 16 {
		t.Errorf("exit %d, %+v", code, o)
	}
}

// The broker stands still for 600 ms. It lets one have 20 messages that it has not acknowledged, so that most of the 120 that
// are due meanwhile go out when it goes on; they count from when they were due, and so a tenth of all has waited for 450 ms and more.
func TestBenchOmitsNothing(t *testing.T) {
	var e *echo
	e = newEcho(t, func(n int, in outgoing) []outgoing {
		if n == 100 {
			e.Hang()
			<-time.After(600 * time.Millisecond) // the fault that is to be seen
			e.Resume()
		}
		return []outgoing{in}
	})
	r, code := e.bench(t, "-n", "300", "--rate", "200")
	if code != 0 || r.Latency["p90"] < 440 || r.Latency["p99"] < 570 || r.Latency["max"] < 590 || r.Late < 50 {
		t.Errorf("exit %d, %+v, %d sent late", code, r.Latency, r.Late)
	}
}

// When outputs stop coming, a run at full speed does not go on for ever; what was on its way is lost.
func TestBenchSilence(t *testing.T) {
	e := newEcho(t, func(n int, in outgoing) []outgoing {
		if n >= 100 {
			return nil
		}
		return []outgoing{in}
	})
	r, code := e.bench(t, "--for", "1h", "--in-flight", "50", "--wait", "3s")
	if o := r.Outputs; code != 1 || o.Lost != 50 || !strings.Contains(strings.Join(r.Notes, "\n"), "ended early: 50 messages") {
		t.Errorf("exit %d, %+v, %q", code, o, r.Notes)
	}
}

// The broker goes away in the middle: what could not be sent is told, and why.
func TestBenchBrokerGone(t *testing.T) {
	var e *echo
	e = newEcho(t, func(n int, in outgoing) []outgoing {
		if n == 50 {
			e.Stop()
		}
		return []outgoing{in}
	})
	r, code := e.bench(t, "-n", "400", "--rate", "400", "--wait", "300ms")
	notes := strings.Join(r.Notes, "\n")
	if o := r.Outputs; code != 1 || r.NotSent < 50 || o.Expected+r.NotSent != 400 || !strings.Contains(notes, "not sent: not connected to the mqtt broker") {
		t.Errorf("exit %d, %+v %+v", code, r, o)
	}
}

// Ctrl-C in the middle: what was on its way is waited for, and the report is of what was sent.
func TestBenchBrokerEndsEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := newEcho(t, func(n int, in outgoing) []outgoing {
		if n == 500 {
			cancel()
		}
		return []outgoing{in}
	})
	o := options(t, e.URL(), "out/#")
	o.patience = brokertest.Patience
	var out, errs bytes.Buffer
	if err := bench(ctx, o, &out, &errs); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if o := r.Outputs; !r.Interrupted || r.Messages < 400 || o.Lost+o.Duplicates+o.OutOfOrder != 0 || o.Seen != r.Messages {
		t.Errorf("%s", out.String())
	}
}

func options(t *testing.T, broker, out string) benchOptions {
	t.Helper()
	o := benchOptions{broker: broker, outFilters: []string{out}, devices: 10, id: "seq", format: "json", length: time.Hour,
		qos: 1, connections: 1, inFlight: 100, wait: 20 * time.Second, patience: time.Second}
	if err := o.check(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	return o
}

// When nothing comes out there is nothing to measure, and it says what to look at.
func TestBenchNothingComes(t *testing.T) {
	e := newEcho(t, func(n int, in outgoing) []outgoing { return []outgoing{{in.topic, `{"id": "r-1"}`}} })
	for _, test := range []struct{ out, says string }{
		{"out/#", "none has the number of its message in the field seq: say `seq: payload.seq` in the map of the rules"},
		{"elsewhere", "nothing came on elsewhere for "},
	} {
		said := fails(t, options(t, e.URL(), test.out), test.says)
		if !strings.Contains(said, "publishing to "+e.URL()+", listening for "+test.out) {
			t.Errorf("it does not say what it does: %s", said)
		}
	}
}

// fails expects an error with all of the words, and gives what was said before. With little patience a busy machine may
// fail for another reason, so there is more each time.
func fails(t *testing.T, o benchOptions, words ...string) (said string) {
	t.Helper()
	for ; ; o.patience *= 3 {
		var out, errs bytes.Buffer
		err := bench(t.Context(), o, &out, &errs)
		if err != nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(err.Error(), w) }) {
			return errs.String()
		}
		if o.patience > 20*time.Second {
			t.Fatalf("got %v, want %q", err, words)
		}
	}
}

// The address, the user and the rest come from edge.yaml, but not the client id, under which the edge that runs is known.
func TestBenchSource(t *testing.T) {
	e := newEcho(t, same)
	w := newWorld(t)
	w.write("edge.yaml", strings.Replace(wardConfig, "mqtt://127.0.0.1:1", e.URL(), 1))
	running, err := mqttconn.New(mqttconn.Config{Options: mqttconn.Options{ClientID: "edge-test"}, URLs: []string{e.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	running.Start(nil)
	defer running.Close()
	w.wait("connected", running.Connected)
	r, code := benched(t, "-c", w.path("edge.yaml"), "--source", "ward", "--out", "out/#", "-n", "50")
	if code != 0 || r.Outputs.Seen != 50 || running.Stats().Connects != 1 {
		t.Errorf("exit %d, %+v %+v", code, r, running.Stats())
	}
}

func TestBenchNoBroker(t *testing.T) {
	fails(t, options(t, "mqtt://127.0.0.1:1", "out/#"), "cannot connect to mqtt://127.0.0.1:1: ", "refused")
}
