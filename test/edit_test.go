package test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/internal/brokertest"
)

// A probe sees a reload by what it does.
type probe struct {
	b *box
	c *brokertest.Client
}

func newProbe(b *box, addr string) *probe {
	p := &probe{b, brokertest.Dial(b.t, addr)}
	p.c.Subscribe("out/#", 1)
	return p
}

// comes sends messages, of which each brings one output or more, until one comes on a topic.
func (p *probe) comes(topic string) {
	p.b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.c.Publish(topicOf(1), payloadOf(1, 1), 1)
		if p.c.Next().Topic == topic {
			return
		}
	}
	p.b.t.Fatalf("nothing comes on %s", topic)
}

func to(topic string) string { return rule("{to: out, topic: out/" + topic + "}") }

func TestEditsOfFiles(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), to("one"))
	b.start()
	p := newProbe(b, broker.Addr())
	p.comes("out/one")

	// Ways to save: beside and rename, in place, and as vim does, with the old file renamed first.
	b.write("rules/rules.yaml", to("two"))
	p.comes("out/two")
	b.overwrite("rules/rules.yaml", to("three"))
	p.comes("out/three")
	if err := os.Rename(b.path("rules/rules.yaml"), b.path("rules/rules.yaml~")); err != nil {
		t.Fatal(err)
	}
	b.overwrite("rules/rules.yaml", to("four"))
	p.comes("out/four")

	// A file that is half written does nothing until it is whole.
	whole := to("five")
	half := strings.Index(whole, "    route")
	b.overwrite("rules/rules.yaml", whole[:half])
	b.until("the error is shown", func() bool { return b.config().Error != nil })
	p.comes("out/four")
	b.overwrite("rules/rules.yaml", whole)
	p.comes("out/five")

	// A new file brings its rules, and takes them along when it goes.
	b.write("rules/more.yaml", strings.Replace(to("more"), "  pass:", "  more:", 1))
	p.comes("out/more")
	if err := os.Remove(b.path("rules/more.yaml")); err != nil {
		t.Fatal(err)
	}
	b.until("the rule is gone", func() bool { return b.book("more").Name == "" })

	// A folder that goes is an error, and when it is back it is watched again.
	if err := os.RemoveAll(b.path("rules")); err != nil {
		t.Fatal(err)
	}
	b.until("the error is shown", func() bool { return b.config().Error != nil })
	p.comes("out/five")
	b.write("rules/rules.yaml", to("six"))
	p.comes("out/six")
	b.write("rules/rules.yaml", to("seven"))
	p.comes("out/seven")
	b.stop()
}

func TestBadFileChangesNothing(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), to("one"))
	b.start()
	p := newProbe(b, broker.Addr())
	p.comes("out/one")
	before := b.config()

	b.write("rules/bad.yaml", "rules:\n  other: {source: in, when: paylod, route: [{to: out, topic: x}]}\n")
	b.write("rules/worse.yaml", "rules:\n  third: {source: in, rout: []}\n")
	b.until("all errors are shown", func() bool { e := b.config().Error; return e != nil && len(e.Errors) >= 2 })
	failures := b.metric("edge_config_failures_total")
	b.write("rules/rules.yaml", to("two")) // good, but not together with these
	b.until("edge has looked", func() bool { return b.metric("edge_config_failures_total") > failures })
	now := b.config()
	if now.Hash != before.Hash {
		t.Error("another set runs")
	}
	said := ""
	for _, e := range now.Error.Errors {
		said += fmt.Sprintf("%s:%d:%d: %s\n", e.File, e.Line, e.Column, e.Message)
	}
	for _, want := range []string{"rules/bad.yaml:2:29: ", "unknown name paylod, did you mean payload?", "rules/worse.yaml:2:23: ", "did you mean route?"} {
		if !strings.Contains(said, want) {
			t.Errorf("/v1/config does not say %q:\n%s", want, said)
		}
	}
	if got := b.metric("edge_config_last_reload_successful"); got != 0 {
		t.Errorf("edge_config_last_reload_successful %v", got)
	}
	p.comes("out/one")
	if code, _ := b.get("/readyz"); code != 200 {
		t.Errorf("readyz %d, although the running set works", code)
	}

	for _, name := range []string{"rules/bad.yaml", "rules/worse.yaml"} {
		if err := os.Remove(b.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	p.comes("out/two")
	b.until("the error is gone", func() bool { return b.config().Error == nil })
	b.signal(syscall.SIGHUP) // of the same files: nothing happens to what runs
	b.until("edge has heard", func() bool { return strings.Contains(b.log.String(), "SIGHUP") })
	p.comes("out/two")
	b.stop()
}

// TestConfigMap: Kubernetes mounts files as links to ..data/, and turns ..data from one folder to the next.
func TestConfigMap(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), "")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	turn := func(edition, text string) {
		b.overwrite("rules/.."+edition+"/rules.yaml", text)
		must(os.Symlink(".."+edition, b.path("rules/..data_tmp")))
		must(os.Rename(b.path("rules/..data_tmp"), b.path("rules/..data")))
	}
	must(os.Remove(b.path("rules/rules.yaml")))
	turn("1", to("one"))
	must(os.Symlink("..data/rules.yaml", b.path("rules/rules.yaml")))
	b.start()
	p := newProbe(b, broker.Addr())
	p.comes("out/one")
	if n := len(strings.Split(b.read("state/last-good.json"), "rules.yaml")) - 1; n != 1 {
		t.Errorf("rules.yaml was read %d times", n)
	}
	for i := 2; i < 5; i++ {
		turn(fmt.Sprint(i), to(fmt.Sprint(i)))
		must(os.RemoveAll(b.path(fmt.Sprintf("rules/..%d", i-1))))
		p.comes(fmt.Sprintf("out/%d", i))
	}
	b.stop()
}
